import Signal
import Testing

@Test(arguments: [("Zoë", " zoe "), ("ＡＮＮ", "ann"), ("Ann  Lee", "ANN LEE"), ("ﬁn", "fin"), ("한글", "한글")])
func `names that look alike are one person`(first: String, second: String) throws {
    #expect(try DisplayName(parsing: first).person == DisplayName(parsing: second).person)
    #expect(try DisplayName(parsing: first).person.utf8.count == 22)
}

@Test(arguments: [("Ann", "Anna"), ("か", "が"), ("王", "玉"), ("Ann Lee", "AnnLee")])
func `names that differ are two`(first: String, second: String) throws {
    #expect(try DisplayName(parsing: first).person != DisplayName(parsing: second).person)
}

@Test(
    arguments: [
        ("", DisplayNameError.empty), (" \n ", .empty), ("\u{301}", .empty), ("a\u{0}b", .controlCharacter),
        ("a\u{202E}b", .controlCharacter), (String(repeating: "a", count: 41), .tooLong(limit: 40)),
    ])
func `names that are none are refused`(text: String, error: DisplayNameError) {
    #expect(throws: error) { try DisplayName(parsing: text) }
}

@Test func `a suggestion fits and is another person`() throws {
    let name = try DisplayName(parsing: String(repeating: "a", count: 40))
    let other = try DisplayName(parsing: name.numbered(2))

    #expect(other.text.count == 40)
    #expect(other.person != name.person)
}
