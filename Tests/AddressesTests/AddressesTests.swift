import Addresses
import Testing

struct AddressesTests {
    @Test(arguments: [
        "0.0.0.0", "127.0.0.1", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "2001:db8:1:2:3:4:5:6",
        "1::", "::ffff:192.0.2.1", "fe80::1:0:0:1", "1:0:0:2::3", "0:1:0:1:0:1:0:1",
    ])
    func `a canonical text survives the way there and back`(text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == text)
    }

    @Test(arguments: [
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("0:0:0:0:0:ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
    ])
    func `other texts of an address are made canonical`(text: String, canonical: String) throws {
        #expect(try #require(IPAddress(text)).description == canonical)
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.-4", "1.2.3.+4", " 1.2.3.4", "1.2.3.4 ", ":",
        ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "+1::", "fe80::1%eth0", "[::1]", "1.2.3.4::",
        "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6:7:8::", "g::",
    ])
    func `what is no address is refused`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func `endpoints need a port, and brackets around IPv6`() throws {
        for text in ["192.0.2.1:3478", "[2001:db8::1]:1", "[::]:65535", "0.0.0.0:0"] {
            #expect(Endpoint(text)?.description == text)
        }
        for text in [
            "", ":", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "::1:80", "[192.0.2.1]:1", "[::1]",
            "a:1",
        ] {
            #expect(Endpoint(text) == nil)
        }
    }

    @Test func `special ranges are recognised`() throws {
        func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
        #expect(try address("127.9.9.9").isLoopback && address("::1").isLoopback && !address("128.0.0.1").isLoopback)
        #expect(try address("169.254.169.254").isLinkLocal && address("fe80::1").isLinkLocal)
        #expect(try !address("169.255.0.1").isLinkLocal && !address("fec0::1").isLinkLocal)
        #expect(try address("224.0.0.1").isMulticast && address("ff02::1").isMulticast)
        #expect(try address("255.255.255.255").isBroadcast && address("::").isUnspecified)
        #expect(try address("::ffff:1.2.3.4").isV4Mapped && !address("::1.2.3.4").isV4Mapped)
    }
}
