import Signal
import Testing

private func parse(_ text: String) throws(JSONError) -> JSONValue { try JSONParser.parse(Array(text.utf8)) }

@Test(
    arguments: [
        "{}", "[]", "null", "true", "-0.5e+7", "12345678901234567890", "\"\\u0041\\ud83d\\ude00\\n\"",
        "{\"a\":[1,{\"b\":null}]}",
        " { \"a\" : \"é\" } ",
    ])
func `what was parsed and written is the same value again`(text: String) throws {
    let value = try parse(text)

    #expect(try JSONParser.parse(value.bytes) == value)
}

@Test(
    arguments: [
        "", "{", "[1,]", "{\"a\":1,}", "{a:1}", "01", "1.", "-", "1e", "tru", "nul", "\"\\x\"", "\"\\ud800\"",
        "\"\\udc00\"", "\"\u{1}\"",
        "1 2", "{\"a\":1,\"a\":2}", "'a'", "NaN", "[1 2]", "\"",
    ])
func `what RFC 8259 does not allow is refused`(text: String) {
    #expect(throws: JSONError.self) { try parse(text) }
}

@Test func `a message cut short anywhere is refused`() {
    let text = Array("{\"type\":\"send\",\"id\":12,\"to\":null,\"message\":{\"body\":[1,\"\\u00e9\",true]}}".utf8)

    for length in 0..<text.count {
        #expect(throws: JSONError.self) { try JSONParser.parse(Array(text.prefix(length))) }
    }
}

@Test func `depth and number of values are bounded`() {
    #expect(throws: JSONError.tooDeep(limit: JSONParser.depthLimit)) {
        try parse(String(repeating: "[", count: 60_000))
    }
    #expect(throws: JSONError.tooManyValues(limit: JSONParser.valueLimit)) {
        try parse("[" + String(repeating: "1,", count: 30_000) + "1]")
    }
}

@Test func `bytes that are no UTF-8 are refused in texts`() {
    #expect(throws: JSONError.badUTF8) { try JSONParser.parse([0x22, 0xC3, 0x28, 0x22]) }
}

@Test func `random bytes never trap`() {
    var random = SystemRandomNumberGenerator()
    let alphabet = Array("{}[]\",:\\u01e.-tfn ".utf8)
    for _ in 0..<20_000 {
        let bytes = (0..<Int.random(in: 0...24, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? 0
        }
        if let value = try? JSONParser.parse(bytes) { #expect((try? JSONParser.parse(value.bytes)) == value) }
    }
}

@Test func `fresh ICE servers are asked for without more words`() throws {
    let message = try ClientMessage(parsing: Array("{\"type\":\"ice-servers\",\"id\":3}".utf8))
    #expect(message == .request(id: 3, .iceServers))
}

@Test func `a body is passed on as it was sent`() throws {
    let text =
        "{\"type\":\"send\",\"id\":1,\"room\":\"r\",\"to\":\"m-1\",\"message\":{\"type\":\"candidate\",\"body\":{\"n\":1.50}}}"
    let message = try ClientMessage(parsing: Array(text.utf8))

    #expect(
        message
            == .request(id: 1, .send(room: "r", to: "m-1", type: "candidate", body: Array("{\"n\":1.50}".utf8))))
}

@Test func `a script in a name is only a text`() throws {
    let name = try DisplayName(parsing: " <script>alert(1)</script> ")
    var writer = JSONWriter()
    writer.object { $0.field("name", name.text) }

    #expect(String(decoding: writer.bytes, as: UTF8.self) == "{\"name\":\"<script>alert(1)</script>\"}")
}
