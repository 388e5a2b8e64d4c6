import SFUNode
import Testing

/// The small values that rooms are made of.
struct RoomPartsTests {
    @Test(arguments: ["", " ", "a b", "é", "line\n", String(repeating: "x", count: 65)])
    func `what is no id`(text: String) {
        #expect(RoomID(text) == nil)
    }

    @Test(arguments: ["c", "c-AZaz09_~", String(repeating: "x", count: 64)])
    func `what is an id`(text: String) {
        #expect(RoomID(text)?.text == text)
    }
}
