import Addresses
import TURN
import TURNServer
import Time

/// The endpoint of a text in a test.
func at(_ text: String) -> Endpoint {
    guard let endpoint = Endpoint(text) else { preconditionFailure("no endpoint: \(text)") }
    return endpoint
}

/// The address of a text in a test.
func ip(_ text: String) -> IPAddress {
    guard let address = IPAddress(text) else { preconditionFailure("no address: \(text)") }
    return address
}

func range(_ text: String) -> AddressRange {
    guard let range = AddressRange(text) else { preconditionFailure("no range: \(text)") }
    return range
}

/// A configuration with ann (secret), bob (hunter2), and one shared secret.
func configuration(_ change: (inout TURNServerConfiguration) -> Void = { _ in }) -> TURNServerConfiguration {
    guard let key = NonceKey((0..<32).map { UInt8($0) }) else { preconditionFailure("32 bytes are a key") }
    var configuration = TURNServerConfiguration(nonceKey: key)
    do {
        try configuration.users.add(name: "ann", secret: "secret")
        try configuration.users.add(name: "bob", secret: "hunter2")
    } catch {
        preconditionFailure("\(error)")
    }
    configuration.secrets = ["north"].compactMap { SharedSecret($0) }
    change(&configuration)
    return configuration
}

/// A client's flow: UDP from a public address, unless said otherwise.
func flow(
    _ client: String = "198.18.1.1:4000", _ transport: ClientTransport = .udp, id: Int = 0,
    server: String = "198.18.0.1:3478"
) -> Flow {
    Flow(transport: transport, id: id, client: at(client), server: at(server))
}

/// A peer that anyone may reach.
let peer = at("8.8.8.8:7000")
let otherPeer = at("9.9.9.9:7001")
let peerV6 = at("[2600:1::7]:7000")
