public import Addresses

/// A candidate as it stands in SDP (RFC 8839 §5.1, RFC 6544 §4.5).
public struct ICECandidate: Hashable, Sendable {
    /// How the address came to be known.
    public enum Kind: String, Sendable, CaseIterable {
        /// An address of the host, or one that is announced as such.
        case host
        /// What a STUN server sees.
        case serverReflexive = "srflx"
        /// What a peer sees.
        case peerReflexive = "prflx"
        /// An address on a TURN server.
        case relayed = "relay"
    }

    /// What it is reached by.
    public enum Transport: String, Sendable, CaseIterable {
        /// UDP.
        case udp
        /// TCP; it waits for connections.
        case tcpPassive = "passive"
        /// TCP; it opens connections.
        case tcpActive = "active"
        /// TCP; both open at the same time.
        case tcpSimultaneousOpen = "so"
    }

    /// Equal for candidates that succeed or fail together (RFC 8445 §5.1.1.3).
    public let foundation: String
    /// 1 for RTP, and for all where RTCP shares its port.
    public let component: UInt16
    /// What it is reached by.
    public let transport: Transport
    /// Higher is better.
    public let priority: UInt32
    /// Where it is.
    public let address: Endpoint
    /// How it came to be known.
    public let kind: Kind
    /// The address that it stands for, if it is not a host's.
    public let related: Endpoint?

    /// A candidate of ours, of component 1. `localPreference` orders those of one kind: for TCP only its low 13 bits count.
    public init(
        _ kind: Kind, _ transport: Transport, address: Endpoint, related: Endpoint? = nil,
        localPreference: UInt16 = .max
    ) {
        self.kind = kind
        self.transport = transport
        self.address = address
        self.related = related
        component = 1
        priority = ICECandidate.priority(kind, transport, localPreference: localPreference, component: 1)
        foundation = ICECandidate.foundation(kind, transport, base: (related ?? address).address)
    }

    /// RFC 8445 §5.1.2.1; for TCP RFC 6544 §4.2, with kinds of TCP below those of UDP.
    public static func priority(
        _ kind: Kind, _ transport: Transport, localPreference: UInt16, component: UInt16
    ) -> UInt32 {
        let isUDP = transport == .udp
        let kindPreference: UInt32 =
            switch kind {
            case .host: isUDP ? 126 : 90
            case .peerReflexive: isUDP ? 110 : 80
            case .serverReflexive: isUDP ? 100 : 70
            case .relayed: isUDP ? 2 : 0
            }
        let directionPreference: UInt32? =
            switch transport {
            case .udp: nil
            case .tcpActive: kind == .host || kind == .relayed ? 6 : 4
            case .tcpPassive: kind == .host || kind == .relayed ? 4 : 2
            case .tcpSimultaneousOpen: kind == .host || kind == .relayed ? 2 : 6
            }
        let local = directionPreference.map { $0 << 13 | UInt32(localPreference & 0x1fff) } ?? UInt32(localPreference)
        return kindPreference << 24 | local << 8 | (256 - UInt32(min(component, 256)))
    }

    /// A number of kind, base and transport (FNV-1a): the same for the same, and almost surely another for others.
    private static func foundation(_ kind: Kind, _ transport: Transport, base: IPAddress) -> String {
        var hash: UInt32 = 0x811c_9dc5
        for byte in "\(kind.rawValue) \(transport == .udp ? "udp" : "tcp") \(base)".utf8 {
            hash = (hash ^ UInt32(byte)) &* 0x0100_0193
        }
        return String(hash)
    }
}

extension ICECandidate {
    /// The value of `a=candidate`, with its name: `candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host`.
    public var attribute: String {
        var text = "candidate:\(foundation) \(component) \(transport == .udp ? "udp" : "tcp") \(priority) "
        text += "\(address.address) \(address.port) typ \(kind.rawValue)"
        if let related { text += " raddr \(related.address) rport \(related.port)" }
        if transport != .udp { text += " tcptype \(transport.rawValue)" }
        return text
    }

    /// Parses `candidate:…` or `a=candidate:…`. Nil for what is malformed, for transports not known here, and for names instead of
    /// addresses: browsers hide host addresses behind mDNS names, which mean nothing outside of their network.
    public init?(parsing line: String) {
        var rest = Substring(line)
        guard line.utf8.count <= 1_024 else { return nil }
        if rest.hasPrefix("a=") { rest = rest.dropFirst(2) }
        guard rest.hasPrefix("candidate:") else { return nil }
        let words = rest.dropFirst("candidate:".count).split(separator: " ")
        guard words.count >= 8, words[6] == "typ", let kind = Kind(rawValue: String(words[7])),
            (1...32).contains(words[0].utf8.count), words[0].utf8.allSatisfy(ICECredentials.isICECharacter),
            let component = ICECandidate.number(words[1], UInt16.self), (1...256).contains(component),
            let priority = ICECandidate.number(words[3], UInt32.self), (1...0x7fff_ffff).contains(priority),
            let address = ICECandidate.endpoint(words[4], words[5])
        else { return nil }
        var pairs: [Substring: Substring] = [:]
        for index in stride(from: 8, to: words.count - 1, by: 2) { pairs[words[index]] = words[index + 1] }
        switch words[2].lowercased() {
        case "udp": transport = .udp
        case "tcp":
            guard let type = pairs["tcptype"], let known = Transport(rawValue: String(type)), known != .udp else {
                return nil
            }
            transport = known
        default: return nil
        }
        foundation = String(words[0])
        self.component = component
        self.priority = priority
        self.address = address
        self.kind = kind
        related = pairs["raddr"].flatMap { raddr in
            pairs["rport"].flatMap { ICECandidate.endpoint(raddr, $0) }
        }
    }

    private static func endpoint(_ address: Substring, _ port: Substring) -> Endpoint? {
        guard let address = IPAddress(String(address)), let port = number(port, UInt16.self) else { return nil }
        return Endpoint(address: address, port: port)
    }

    /// Digits only: the standard library would take a sign.
    private static func number<Number: FixedWidthInteger>(_ text: Substring, _ type: Number.Type) -> Number? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Number(text)
    }
}
