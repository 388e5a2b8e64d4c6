import Foundation
import NIOCore
import NIOSSL
import Signal
import Testing
import Time

@Test func `the made certificate is one that TLS takes, for the names it was made for`() throws {
    let made = try SelfSignedCertificate(names: ["localhost", "roost.example"], addresses: ["127.0.0.1", "::1"])

    let certificate = try #require(try NIOSSLCertificate.fromPEMBytes(Array(made.certificate.utf8)).first)
    let key = try NIOSSLPrivateKey(bytes: Array(made.privateKey.utf8), format: .pem)
    let names = certificate._subjectAlternativeNames().map { Array($0.contents) }
    _ = try NIOSSLContext(
        configuration: .makeServerConfiguration(
            certificateChain: [.certificate(certificate)], privateKey: .privateKey(key)))

    #expect(names.contains(Array("roost.example".utf8)))
    #expect(names.contains([127, 0, 0, 1]))
    #expect(names.count == 4)
}

@Test func `only the site's own pages may open the socket`() {
    func allows(_ origin: String?, also: [String] = []) -> Bool {
        SecurityHeaders.allows(origin: origin, host: "roost.example:8443", alsoAllowed: also)
    }

    #expect(allows("https://roost.example:8443"))
    #expect(allows(nil))
    #expect(!allows("https://evil.example"))
    #expect(!allows("https://roost.example"))
    #expect(!allows("null"))
    #expect(allows("https://app.example", also: ["https://app.example"]))
}

@Test func `the policy has no unsafe parts, and takes no host that is none`() throws {
    let good = SecurityHeaders.headers(host: "a.example:1").first { $0.0 == "Content-Security-Policy" }?.1 ?? ""
    let bad = SecurityHeaders.headers(host: "a; script-src *").first { $0.0 == "Content-Security-Policy" }?.1 ?? ""

    #expect(good.contains("connect-src 'self' ws://a.example:1 wss://a.example:1;"))
    #expect(!good.contains("unsafe"))
    #expect(!bad.contains("script-src"))
}

@Test func `a site serves its files and nothing outside`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
        "site-\(UInt32.random(in: 0...UInt32.max))")
    try FileManager.default.createDirectory(at: folder.appendingPathComponent("app"), withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for name in ["index.html", "room.html", "app/a.js", ".secret.html", "README.md"] {
        try Data(name.utf8).write(to: folder.appendingPathComponent(name))
    }
    let site = try StaticSite(folder: folder.path)

    #expect(site.file(at: "/")?.contentType == "text/html; charset=utf-8")
    #expect(site.file(at: "/?name=Ann")?.bytes == Array("index.html".utf8))
    #expect(site.file(at: "/app/a.js")?.contentType == "text/javascript; charset=utf-8")
    for path in ["/room/blue", "/room/a.b-c_1?name=Ann&join=1", "/room.html"] {
        #expect(site.file(at: path)?.bytes == Array("room.html".utf8))
    }
    for path in [
        "/room/blue/x", "/rooms/blue", "/.secret.html", "/README.md", "/../etc/passwd", "app/a.js", "/nothing",
    ] {
        #expect(site.file(at: path) == nil)
    }
}

@Test func `files are compressed once, those that gain by it, and come back the same`() throws {
    let text = Array(String(repeating: "the quick brown fox, again and again\n", count: 200).utf8)
    let file = StaticFile(bytes: text, contentType: "text/plain", etag: "W/\"x\"")
    let noise = StaticFile(
        bytes: (0..<5_000).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 7) ^ UInt8.random(in: 0...255) },
        contentType: "image/png", etag: "W/\"y\"")

    let gzip = try #require(file.gzip)
    #expect(gzip.count < text.count / 20)
    #expect(gzip.starts(with: [0x1f, 0x8b]))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/gzip")
    process.arguments = ["-dc"]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try input.fileHandleForWriting.write(contentsOf: Data(gzip))
    try input.fileHandleForWriting.close()
    let back = try output.fileHandleForReading.readToEnd()
    #expect(back.map { Array($0) } == text)
    #expect(noise.gzip == nil)
}

@Test(arguments: [
    (["gzip, deflate, br"], true), (["br;q=1.0, GZIP;q=0.8"], true), (["*"], true), (["identity;q=1", "x-gzip"], true),
    ([], false), (["identity"], false), (["gzip;q=0, *"], false), (["br, *;q=0"], false), (["gzip; q=0"], false),
    ([",;,"], false),
])
func `gzip is sent to who says so`(acceptEncoding: [String], expected: Bool) {
    #expect(Gzip.isAccepted(by: acceptEncoding) == expected)
}

@Test func `one address cannot take all sockets`() {
    let gate = AddressGate(limit: 2, total: 3)

    #expect((0..<3).map { _ in gate.enter("a") } == [true, true, false])
    #expect([gate.enter("b"), gate.enter("c")] == [true, false])
    gate.leave("a")
    #expect(gate.enter("c"))
    #expect(gate.count == 3)
}

@Test(arguments: [
    ("192.0.2.1", "192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false), ("::ffff:192.0.2.1", "192.0.2.1", true),
    ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true), ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
])
func `the addresses of one host are one source`(one: String, other: String, areSame: Bool) throws {
    let gate = AddressGate(limit: 1, total: 10)

    #expect(gate.enter(Source.of(try SocketAddress(ipAddress: one, port: 1))))
    #expect(gate.enter(Source.of(try SocketAddress(ipAddress: other, port: 2))) != areSame)
}

@Test func `a source asks a few times at once, then at its pace, and takes nothing from another`() {
    let start = Instant(nanoseconds: 0)
    let gate = SourceGate(burst: 2, oneEach: .seconds(10), now: start)

    #expect((0..<3).map { _ in gate.admits("a", now: start) } == [true, true, false])
    #expect(gate.admits("b", now: start))
    #expect(!gate.admits("a", now: start + .seconds(9)))
    #expect(gate.admits("a", now: start + .seconds(10)))
    #expect(!gate.admits("a", now: start + .seconds(10)))
}

@Test func `sources beyond the table are refused until others are forgotten`() {
    let start = Instant(nanoseconds: 0)
    let gate = SourceGate(burst: 1, oneEach: .seconds(10), limit: 2, now: start)

    #expect(["a", "b", "c"].map { gate.admits($0, now: start) } == [true, true, false])
    #expect(!gate.admits("c", now: start + .seconds(5)))
    #expect(gate.admits("c", now: start + .seconds(11)))
    #expect(gate.count == 1)
}
