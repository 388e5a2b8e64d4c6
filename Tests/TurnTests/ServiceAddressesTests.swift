import Addresses
import ServiceKit
import TURNServer
import Testing
import Turn

@Suite struct ServiceAddressesTests {
    private let host = ["192.0.2.5", "2001:db8::5"].compactMap { IPAddress($0) }

    private func shown(_ place: String) throws -> [String] {
        try ServiceAddresses.ranges(of: HostPort(parsing: place), host: host).map {
            Endpoint(address: $0.address, port: $0.ports.lowerBound).description
        }
    }

    @Test func `an address is itself, a wildcard is each of the host's`() throws {
        #expect(try shown("192.0.2.9:6379") == ["192.0.2.9:6379"])
        #expect(try shown("[2001:db8::9]:6379") == ["[2001:db8::9]:6379"])
        #expect(try shown("0.0.0.0:9090") == ["192.0.2.5:9090", "127.0.0.1:9090"])
        #expect(
            try shown("[::]:9090") == ["[2001:db8::5]:9090", "[::1]:9090", "192.0.2.5:9090", "127.0.0.1:9090"])
        #expect(try shown("127.0.0.1:0") == [])
    }

    @Test func `a name is its addresses, and an error if it has none`() throws {
        #expect(try shown("localhost:6379").contains("127.0.0.1:6379"))
        let failure = #expect(throws: ServiceFailure.self) { try shown("no-such-name.invalid:6379") }
        #expect(failure?.message.contains("no-such-name.invalid") == true)
    }
}
