import Addresses
import TURNServer
import Testing

/// An IPv4 address in each form in which an IPv6 address can hold it.
private func forms(of address: IPAddress) -> [(name: String, address: IPAddress)] {
    let bits = address.low
    return [
        ("plain", address),
        ("IPv4-mapped", IPAddress(v6High: 0, low: 0xffff_0000_0000 | bits)),
        ("IPv4-compatible", IPAddress(v6High: 0, low: bits)),
        ("IPv4-translated", IPAddress(v6High: 0, low: 0xffff_0000_0000_0000 | bits)),
        ("6to4", IPAddress(v6High: 0x2002 << 48 | bits << 16, low: 1)),
        ("Teredo client", IPAddress(v6High: 0x2001_0000 << 32 | 0x0808_0808, low: 0xffff << 32 | (bits ^ 0xffff_ffff))),
        ("Teredo server", IPAddress(v6High: 0x2001_0000 << 32 | bits, low: 0xf7f7_f7f7)),
        ("NAT64", IPAddress(v6High: 0x0064_ff9b << 32, low: bits)),
    ]
}

struct PeerPolicyTests {
    @Test(arguments: [
        ("unspecified", "0.0.0.0"), ("this network", "0.255.255.255"), ("private", "10.0.0.0"),
        ("private", "10.255.255.255"), ("shared", "100.64.0.0"), ("shared", "100.127.255.255"),
        ("loopback", "127.0.0.1"), ("loopback", "127.255.255.255"), ("link-local", "169.254.0.0"),
        ("metadata", "169.254.169.254"), ("private", "172.16.0.0"), ("private", "172.31.255.255"),
        ("documentation", "192.0.2.1"), ("private", "192.168.0.0"), ("private", "192.168.255.255"),
        ("documentation", "198.51.100.7"), ("documentation", "203.0.113.255"), ("multicast", "224.0.0.1"),
        ("multicast", "239.255.255.255"), ("reserved", "240.0.0.1"), ("broadcast", "255.255.255.255"),
    ])
    func `what leads back into the house is refused in every form`(kind: String, text: String) {
        let policy = PeerPolicy()
        for form in forms(of: ip(text)) {
            let peer = Endpoint(address: form.address, port: 7_000)
            #expect(policy.refusal(of: peer) == .range, "\(kind), \(form.name): \(peer)")
            #expect(policy.verdict(on: form.address) == .refused(.range), "\(kind), \(form.name): \(peer)")
        }
    }

    @Test(arguments: [
        ("unspecified", "::"), ("loopback", "::1"), ("unique-local", "fc00::1"),
        ("unique-local", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ("metadata", "fd00:ec2::254"),
        ("link-local", "fe80::1"), ("link-local", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ("site-local", "fec0::1"),
        ("site-local", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ("multicast", "ff02::1"),
        ("documentation", "2001:db8::1"), ("documentation", "3fff:fff:ffff::1"), ("local NAT64", "64:ff9b:1::808:808"),
        ("local NAT64", "64:ff9b:1:ffff::1"),
    ])
    func `IPv6 ranges are refused`(kind: String, text: String) {
        #expect(PeerPolicy().verdict(on: ip(text)) == .refused(.range))
    }

    @Test(arguments: [
        "8.8.8.8", "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.255", "192.0.3.0", "192.167.255.255",
        "192.169.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
    ])
    func `the neighbours of refused ranges are allowed in every form`(text: String) {
        for form in forms(of: ip(text)) {
            #expect(PeerPolicy().verdict(on: form.address) == .allowed, "\(form.name)")
        }
    }

    @Test(arguments: ["2600::1", "2001:db7::1", "2001:db9::1", "fbff::1", "2a00::1", "3ffe::1", "64:ff9b:2::1"])
    func `other IPv6 addresses are allowed`(text: String) {
        #expect(PeerPolicy().verdict(on: ip(text)) == .allowed)
    }

    @Test func `port 0 is nobody's`() {
        #expect(PeerPolicy().refusal(of: at("8.8.8.8:0")) == .port)
        #expect(PeerPolicy(allowed: [range("0.0.0.0/0")]).refusal(of: at("8.8.8.8:0")) == .port)
    }

    /// Deny, then allow, then services, then the exact list, then the ranges.
    @Test(arguments: [
        ("10.1.0.1:7", PeerPolicy.Refusal?.some(.denied)), ("10.2.0.1:7", nil), ("10.2.0.9:6379", nil),
        ("10.3.0.1:7", .some(.range)), ("10.3.0.2:7000", nil), ("10.3.0.2:7001", .some(.range)),
        ("10.3.0.9:6379", .some(.service)), ("9.9.9.9:6379", .some(.service)), ("9.9.9.9:6380", nil),
        ("9.9.9.8:1", .some(.service)), ("8.8.8.8:1", .some(.denied)), ("[::ffff:8.8.8.8]:1", .some(.denied)),
        ("[::ffff:10.2.0.1]:7", nil), ("[2002:909:909::1]:6379", .some(.service)), ("[2002:909:909::1]:6380", nil),
        ("[::ffff:10.3.0.2]:7000", .some(.range)),
    ])
    func `each rule beats those after it`(text: String, refusal: PeerPolicy.Refusal?) {
        let policy = PeerPolicy(
            allowed: [range("10.1.0.0/16"), range("10.2.0.0/16")], denied: [range("10.1.0.0/16"), range("8.8.8.8")],
            services: [
                PeerRange(address: ip("10.2.0.9"), ports: 6_379...6_379),
                PeerRange(address: ip("10.3.0.9"), ports: 6_379...6_379),
                PeerRange(address: ip("9.9.9.9"), ports: 6_379...6_379), PeerRange(address: ip("9.9.9.8")),
            ],
            allowedPeers: [
                PeerRange(address: ip("10.3.0.2"), ports: 7_000...7_000),
                PeerRange(address: ip("10.3.0.9"), ports: 1...65_535), PeerRange(address: ip("8.8.8.8")),
            ])
        #expect(policy.refusal(of: at(text)) == refusal)
    }

    @Test func `what holds for an address agrees with what holds for its ports`() {
        let policy = PeerPolicy(
            allowed: [range("10.2.0.0/16")], denied: [range("8.8.8.8")],
            services: [PeerRange(address: ip("9.9.9.9"), ports: 6_379...6_379), PeerRange(address: ip("9.9.9.8"))],
            allowedPeers: [
                PeerRange(address: ip("10.3.0.2"), ports: 7_000...7_001), PeerRange(address: ip("10.3.0.3")),
                PeerRange(address: ip("127.0.0.1"), ports: 49_152...49_200), PeerRange(address: ip("8.8.8.8")),
            ])
        let verdicts: [String: PeerPolicy.AddressVerdict] = [
            "10.2.0.1": .allowed, "8.8.8.8": .refused(.denied), "9.9.9.9": .byPort, "9.9.9.8": .refused(.service),
            "10.3.0.2": .byPort, "10.3.0.3": .allowed, "10.3.0.4": .refused(.range), "127.0.0.1": .byPort,
            "1.1.1.1": .allowed,
        ]
        for (text, verdict) in verdicts {
            #expect(policy.verdict(on: ip(text)) == verdict, "\(text)")
            let ports: [UInt16] = [1, 6_379, 6_999, 7_000, 7_001, 7_002, 49_151, 49_152, 49_200, 65_535]
            let allowed = ports.filter { policy.refusal(of: Endpoint(address: ip(text), port: $0)) == nil }
            switch verdict {
            case .allowed: #expect(allowed == ports, "\(text)")
            case .refused: #expect(allowed.isEmpty, "\(text)")
            case .byPort: #expect(!allowed.isEmpty && allowed != ports, "\(text)")
            }
        }
    }

    @Test func `a Teredo address is allowed by itself or by both its server and its client`() {
        // Server 65.54.227.120, client 127.0.0.1.
        let teredo = ip("2001:0:4136:e378:8000:63bf:80ff:fffe")
        let (server, client) = (range("65.54.227.120"), range("127.0.0.0/8"))
        #expect(PeerPolicy(allowed: [server]).verdict(on: teredo) == .refused(.range))
        #expect(PeerPolicy(allowed: [client]).verdict(on: teredo) == .refused(.range))
        #expect(PeerPolicy(allowed: [server]).refusal(of: Endpoint(address: teredo, port: 1)) == .range)
        #expect(PeerPolicy(allowed: [server, client]).verdict(on: teredo) == .allowed)
        #expect(PeerPolicy(allowed: [range("2001::/32")]).verdict(on: teredo) == .allowed)
        #expect(PeerPolicy(allowed: [server, client], denied: [client]).verdict(on: teredo) == .refused(.denied))
    }

    @Test func `a list of many exact peers is searched rightly`() {
        var policy = PeerPolicy()
        let peers = (0..<1_000).map { PeerRange(address: IPAddress(v4: 0x0a00_0000 + $0 * 3), ports: 5...6) }
        policy.set(allowedPeers: peers.shuffled())
        for offset in 0..<3_000 as Range<UInt32> {
            let address = IPAddress(v4: 0x0a00_0000 + offset)
            let isListed = offset % 3 == 0
            #expect((policy.refusal(of: Endpoint(address: address, port: 6)) == nil) == isListed)
            #expect(policy.refusal(of: Endpoint(address: address, port: 7)) == .range)
        }
        policy.set(allowedPeers: [])
        #expect(policy.refusal(of: at("10.0.0.0:6")) == .range)
    }
}

struct AddressRangeTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.0.0.0-10.255.255.255"), ("10.9.8.7/8", "10.0.0.0-10.255.255.255"),
        ("0.0.0.0/0", "0.0.0.0-255.255.255.255"), ("192.0.2.1", "192.0.2.1"), ("192.0.2.1/32", "192.0.2.1"),
        ("192.0.2.1-192.0.2.9", "192.0.2.1-192.0.2.9"), ("::/0", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db8::/32", "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db8::ff/120", "2001:db8::-2001:db8::ff"), ("2001:db8::/64", "2001:db8::-2001:db8::ffff:ffff:ffff:ffff"),
        ("::1/128", "::1"),
    ])
    func `blocks, single addresses and coturn's ranges are parsed`(text: String, shown: String) {
        #expect(AddressRange(text)?.description == shown)
    }

    @Test(arguments: [
        "", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/+8", "/8", "10.0.0/8", "::/129", "10.0.0.9-10.0.0.1",
        "10.0.0.1-", "-10.0.0.1", "10.0.0.1-::1", "example.org", "10.0.0.0/8/8", "10.0.0.0/08x", "10.0.0.0 /8",
    ])
    func `anything else is not`(text: String) {
        #expect(AddressRange(text) == nil)
    }
}
