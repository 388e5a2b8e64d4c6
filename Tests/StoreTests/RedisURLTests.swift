import Store
import Testing

@Suite struct RedisURLTests {
    @Test(arguments: [
        ("redis://h", RedisURL.Place.tcp(host: "h", port: 6379), nil as String?, nil as String?, 0),
        ("redis://u:p%40x@h:7/3", .tcp(host: "h", port: 7), "u", "p@x", 3),
        ("redis://:secret@[::1]:7000/1", .tcp(host: "::1", port: 7000), nil, "secret", 1),
        ("rediss://only@h/2", .tcp(host: "h", port: 6379), "only", nil, 2),
        ("unix:///run/r.sock?db=4&password=x", .unix(path: "/run/r.sock"), nil, "x", 4),
        ("unix:///run/r.sock", .unix(path: "/run/r.sock"), nil, nil, 0),
    ])
    func `an address is read`(
        text: String, place: RedisURL.Place, user: String?, password: String?, database: Int
    ) throws {
        let url = try RedisURL(parsing: text)

        #expect(url.place == place)
        #expect(url.user == user)
        #expect(url.password == password)
        #expect(url.database == database)
        #expect((url.tls != nil) == text.hasPrefix("rediss"))
    }

    @Test(arguments: [
        ("http://h", RedisURLError.unknownScheme("http")), ("h:6379", .incomplete), ("redis://", .incomplete),
        ("unix://run", .incomplete), ("redis://h:0", .badPort), ("redis://h:x", .badPort),
        ("redis://h/x", .badDatabase),
        ("redis://h?x=1", .unknownParameter("x")), ("redis://a%4@h", .badEscape),
        ("redis://h?ca=/x", .unknownParameter("ca")),
    ])
    func `what is no address is refused`(text: String, problem: RedisURLError) {
        #expect(throws: problem) { try RedisURL(parsing: text) }
    }

    @Test func `secrets are never printed`() throws {
        let url = try RedisURL(parsing: "redis://ann:hush@h/1")
        var dumped = ""

        dump(url, to: &dumped)

        for text in [dumped, "\(url)", String(reflecting: url), String(describing: Optional(url))] {
            #expect(!text.contains("hush"))
        }
        #expect("\(url)" == "redis://h:6379/1")
    }

    @Test func `a script is named by the digest of its text`() {
        #expect(RedisScript("return 1").digest == "e0e1f9fabfc9d4800c877a703b823ac0578ff8db")
    }
}
