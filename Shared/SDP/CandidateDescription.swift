/// One `a=candidate` (RFC 8839 §5.1, RFC 6544 §4.5 for TCP). Addresses stay text: they may be names (`….local`).
public struct CandidateDescription: Sendable, Equatable {
    /// What its packets travel on.
    public enum Transport: Sendable {
        /// Datagrams.
        case udp
        /// A stream with RFC 4571 framing.
        case tcp
    }

    /// How its address was learnt.
    public enum Kind: String, Sendable {
        /// From an interface, or announced.
        case host
        /// From a STUN server.
        case srflx
        /// From a peer's check.
        case prflx
        /// Of a TURN server.
        case relay
    }

    /// Who connects (RFC 6544 §4.5).
    public enum TCPType: String, Sendable {
        /// The one that has this candidate.
        case active
        /// The peer.
        case passive
        /// Both at once.
        case so
    }

    /// Candidates of equal foundation are alike (RFC 8445 §5.1.1.3).
    public var foundation: String
    /// 1 with rtcp-mux.
    public var component: UInt16
    /// Datagrams or stream.
    public var transport: Transport
    /// RFC 8445 §5.1.2.
    public var priority: UInt32
    /// An IPv4 or IPv6 address, or a name.
    public var address: String
    /// Its port.
    public var port: UInt16
    /// How the address was learnt.
    public var kind: Kind
    /// For TCP.
    public var tcpType: TCPType?
    /// `raddr`.
    public var relatedAddress: String?
    /// `rport`.
    public var relatedPort: UInt16?
    /// Further names and values, as they came.
    public var extras = ""

    /// A candidate.
    public init(
        foundation: String, component: UInt16 = 1, transport: Transport, priority: UInt32, address: String,
        port: UInt16,
        kind: Kind = .host, tcpType: TCPType? = nil
    ) {
        self.foundation = foundation
        self.component = component
        self.transport = transport
        self.priority = priority
        self.address = address
        self.port = port
        self.kind = kind
        self.tcpType = tcpType
    }

    /// Reads the value of an attribute, with or without `candidate:` before it; nil if it cannot be read.
    public init?(parsing text: String) {
        let field = Field(text.utf8.span)
        self.init(parsing: field.starts(with: "candidate:") ? field.dropping(10) : field)
    }

    init?(parsing field: borrowing Field) {
        var field = copy field
        foundation = field.word().string
        guard !foundation.isEmpty, foundation.utf8.count <= 32, let component = field.word().number(UInt16.self) else {
            return nil
        }
        self.component = component
        switch field.word().lowercased {
        case "udp": transport = .udp
        case "tcp": transport = .tcp
        default: return nil
        }
        guard let priority = field.word().number(UInt32.self) else { return nil }
        self.priority = priority
        address = field.word().string
        guard !address.isEmpty, let port = field.word().number(UInt16.self), field.word().string == "typ",
            let kind = Kind(rawValue: field.word().string)
        else { return nil }
        self.port = port
        self.kind = kind
        readExtensions(field)
    }

    private mutating func readExtensions(_ field: borrowing Field) {
        var field = copy field
        while true {
            let name = field.word().string
            guard !name.isEmpty else { return }
            let value = field.word()
            switch name {
            case "raddr": relatedAddress = value.isEmpty ? nil : value.string
            case "rport": relatedPort = value.number()
            case "tcptype": tcpType = TCPType(rawValue: value.string)
            default:
                guard !value.isEmpty else { return }
                if !extras.isEmpty { extras += " " }
                extras += name + " " + value.string
            }
        }
    }

    /// The attribute without `a=`: `candidate:…`, as it is also given to a browser's `addIceCandidate`.
    public var text: String {
        var text =
            "candidate:\(foundation) \(component) \(transport == .udp ? "udp" : "tcp") \(priority) \(address) \(port)"
        text += " typ \(kind.rawValue)"
        if let relatedAddress { text += " raddr \(relatedAddress)" }
        if let relatedPort { text += " rport \(relatedPort)" }
        if let tcpType { text += " tcptype \(tcpType.rawValue)" }
        if !extras.isEmpty { text += " \(extras)" }
        return text
    }
}
