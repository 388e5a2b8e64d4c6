import Addresses
import Bytes
import ICE
import Testing

struct ICECandidateTests {
    @Test func `priorities are those of the RFCs`() throws {
        let address = try #require(Endpoint("192.0.2.1:4000"))
        #expect(ICECandidate(.host, .udp, address: address).priority == 2_130_706_431)
        #expect(ICECandidate(.serverReflexive, .udp, address: address).priority == 1_694_498_815)
        let udp = ICECandidate(.host, .udp, address: address, localPreference: 0)
        let tcp = ICECandidate(.host, .tcpPassive, address: address)
        #expect(udp.priority > tcp.priority)
        #expect(tcp.priority >> 21 & 7 == 4, "direction preference of passive")
        #expect(tcp.foundation != udp.foundation)
        let sibling = try #require(Endpoint("192.0.2.1:4001"))
        #expect(ICECandidate(.host, .udp, address: sibling).foundation == udp.foundation)
    }

    @Test func `a line is written, and read back`() throws {
        for text in ["192.0.2.1:4000", "[2001:db8::1]:4000"] {
            let address = try #require(Endpoint(text))
            for transport in ICECandidate.Transport.allCases {
                for kind in ICECandidate.Kind.allCases {
                    let related = kind == .host ? nil : Endpoint("10.0.0.1:9")
                    let candidate = ICECandidate(kind, transport, address: address, related: related)
                    #expect(ICECandidate(parsing: candidate.attribute) == candidate)
                    #expect(ICECandidate(parsing: "a=" + candidate.attribute) == candidate)
                }
            }
        }
        let address = try #require(Endpoint("192.0.2.1:4000"))
        let line = ICECandidate(.host, .tcpPassive, address: address).attribute
        #expect(line.hasPrefix("candidate:"))
        #expect(line.hasSuffix(" typ host tcptype passive"))
    }

    /// Lines of Chromium 140 and Firefox 140, addresses changed.
    @Test(arguments: [
        "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999",
        "candidate:3471623853 1 tcp 1518280447 192.0.2.9 9 typ host tcptype active generation 0 ufrag EsAw network-id 1",
        "a=candidate:0 1 UDP 2122187007 192.0.2.9 53421 typ host",
        "candidate:1 1 UDP 2122252543 2001:db8::2 53422 typ host",
    ])
    func `browsers' lines are read`(_ line: String) { #expect(ICECandidate(parsing: line) != nil) }

    @Test(arguments: [
        "", "candidate:", "candidate:1 1 udp 1 192.0.2.1 1 typ", "candidate:1 1 udp 1 192.0.2.1 1 typ other",
        "candidate:1 1 udp 0 192.0.2.1 1 typ host", "candidate:1 1 udp 2147483648 192.0.2.1 1 typ host",
        "candidate:1 1 udp 1 192.0.2.1 65536 typ host", "candidate:1 0 udp 1 192.0.2.1 1 typ host",
        "candidate:1 +1 udp 1 192.0.2.1 1 typ host", "candidate:1 1 sctp 1 192.0.2.1 1 typ host",
        "candidate:1 1 tcp 1 192.0.2.1 1 typ host", "candidate:1 1 tcp 1 192.0.2.1 1 typ host tcptype udp",
        "candidate:! 1 udp 1 192.0.2.1 1 typ host",
        "candidate:1 1 udp 1 0b2c1d3e-0000-4000-8000-000000000000.local 1 typ host",
    ])
    func `anything else is not`(_ line: String) { #expect(ICECandidate(parsing: line) == nil) }

    @Test func `the first bytes tell what a packet is`() {
        let cases: [([UInt8], PacketKind)] = [
            ([0, 1], .stun), ([3, 0], .stun), ([4, 0], .unknown), ([16, 0], .zrtp), ([20, 0], .dtls), ([63, 0], .dtls),
            ([64, 0], .turnChannel), ([79, 0], .turnChannel), ([80, 0], .unknown), ([127, 0], .unknown),
            ([128, 111], .rtp), ([144, 0xe0], .rtp), ([128, 200], .rtcp), ([0x81, 201], .rtcp), ([0x8f, 205], .rtcp),
            ([191, 191], .rtp), ([192, 0], .unknown), ([], .unknown), ([128], .unknown),
        ]
        for (bytes, kind) in cases { #expect(PacketKind(bytes.span.raw) == kind, "\(bytes)") }
    }

    @Test func `frames are found one after the other, and waited for`() {
        let bytes: [UInt8] = [0, 2, 7, 8, 0, 0, 0, 3, 1, 2]
        #expect(ICEFraming.frame(in: bytes.span.raw, at: 0) == 2..<4)
        #expect(ICEFraming.frame(in: bytes.span.raw, at: 4) == 6..<6)
        #expect(ICEFraming.frame(in: bytes.span.raw, at: 6) == nil)
        #expect(ICEFraming.frame(in: bytes.span.raw, at: 9) == nil)
        #expect(ICEFraming.frame(in: bytes.span.raw, at: 10) == nil)
    }
}
