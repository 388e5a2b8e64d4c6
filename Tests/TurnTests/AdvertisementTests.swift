import Addresses
import TURNServer
import Testing
import Turn

@Suite struct AdvertisementTests {
    private func ip(_ text: String) -> IPAddress {
        guard let address = IPAddress(text) else { preconditionFailure("no address: \(text)") }
        return address
    }

    private func endpoints(_ texts: [String]) -> [Endpoint] { texts.compactMap { Endpoint($0) } }

    /// Served at the wildcards of both families, as it is unless configured.
    private func everywhere() -> Advertisement {
        var advertisement = Advertisement()
        advertisement.udp = endpoints(["0.0.0.0:3478", "[::]:3478"])
        advertisement.tcp = endpoints(["0.0.0.0:3478", "[::]:3478"])
        advertisement.tls = endpoints(["0.0.0.0:5349", "[::]:5349"])
        advertisement.hasCredentials = true
        return advertisement
    }

    @Test func `a wildcard stands for the host's addresses of its family, loopback last`() {
        let urls = everywhere().urls(advertised: [], host: [ip("192.0.2.5"), ip("fe80::1"), ip("2001:db8::5")])
        #expect(
            urls == [
                "stun:192.0.2.5:3478", "stun:[2001:db8::5]:3478", "stun:127.0.0.1:3478",
                "turn:192.0.2.5:3478?transport=udp", "turn:[2001:db8::5]:3478?transport=udp",
                "turn:127.0.0.1:3478?transport=udp",
                "turn:192.0.2.5:3478?transport=tcp", "turn:[2001:db8::5]:3478?transport=tcp",
                "turn:127.0.0.1:3478?transport=tcp",
                "turns:192.0.2.5:5349?transport=tcp", "turns:[2001:db8::5]:5349?transport=tcp",
                "turns:localhost:5349?transport=tcp",
            ])
    }

    @Test func `of each family there are two at most, and loopback only where it is not one too many`() {
        let host = ["192.0.2.5", "192.0.2.6", "192.0.2.7", "2001:db8::5", "2001:db8::6", "2001:db8::7"].map(ip)
        let urls = everywhere().urls(advertised: [], host: host).filter { $0.hasPrefix("stun:") }
        #expect(
            urls == [
                "stun:192.0.2.5:3478", "stun:192.0.2.6:3478", "stun:[2001:db8::5]:3478", "stun:[2001:db8::6]:3478",
            ])
    }

    @Test func `behind a NAT the address outside is given, never the private one`() {
        var advertisement = everywhere()
        advertisement.external = [ExternalAddress(local: ip("10.0.0.5"), advertised: ip("198.51.100.7"))]
        let wild = advertisement.urls(advertised: [], host: [ip("10.0.0.5")])
        #expect(wild.contains("turn:198.51.100.7:3478?transport=udp"))
        #expect(wild.contains("turns:198.51.100.7:5349?transport=tcp"))
        #expect(!wild.contains { $0.contains("10.0.0.5") })
        advertisement.udp = endpoints(["10.0.0.5:3478"])
        #expect(advertisement.urls(advertised: [], host: []).first == "stun:198.51.100.7:3478")
    }

    @Test func `a given host is that of each transport, at its own port`() {
        let urls = everywhere().urls(advertised: ["turn.example.org:3479"], host: [ip("10.0.0.5")])
        #expect(
            urls == [
                "stun:turn.example.org:3479", "turn:turn.example.org:3479?transport=udp",
                "turn:turn.example.org:3478?transport=tcp", "turns:turn.example.org:5349?transport=tcp",
            ])
        let v6 = everywhere().urls(advertised: ["[2001:db8::9]:3478"], host: [])
        #expect(v6.last == "turns:[2001:db8::9]:5349?transport=tcp")
    }

    @Test func `whole URLs are all that is given`() {
        let urls = ["turns:turn.example.org:443?transport=tcp", "stun:stun.example.org:3478"]
        #expect(everywhere().urls(advertised: urls + ["ignored.example.org:1"], host: []) == urls)
    }

    @Test func `without credentials there is STUN alone`() {
        var advertisement = everywhere()
        advertisement.hasCredentials = false
        #expect(
            advertisement.urls(advertised: [], host: [ip("192.0.2.5")])
                == ["stun:192.0.2.5:3478", "stun:127.0.0.1:3478"])
        #expect(advertisement.urls(advertised: ["a.example.org:1"], host: []) == ["stun:a.example.org:1"])
    }
}
