/// One m-line and what stands under it.
public struct MediaDescription: Sendable, Equatable {
    /// Audio, video, application.
    public var kind: MediaKind
    /// 0: refused, or bundled only (`isBundleOnly`).
    public var port: UInt16
    /// `UDP/TLS/RTP/SAVPF`.
    public var protocolName: String
    /// The words after the protocol: payload types, or `webrtc-datachannel`.
    public var formats: [String]
    /// The default candidate's address in `c=`; the unspecified one where nil.
    public var connectionAddress: String?
    /// `b=` lines.
    public var bandwidths: [Bandwidth] = []
    /// `a=mid`.
    public var mid: String?
    /// Which way media goes, seen by who wrote it; `sendrecv` where nothing is said (RFC 8866 §6.7).
    public var direction = MediaDirection.sendrecv
    /// `a=rtcp-mux`.
    public var isRTCPMultiplexed = false
    /// `a=rtcp-rsize` (RFC 5506).
    public var isRTCPReducedSize = false
    /// `a=bundle-only`: port 0 does not mean refused (RFC 9143 §6).
    public var isBundleOnly = false
    /// `a=extmap-allow-mixed` in this m-line.
    public var allowsMixedExtensions = false
    /// ICE and DTLS.
    public var transport = TransportAttributes()
    /// `a=candidate` lines that can be read.
    public var candidates: [CandidateDescription] = []
    /// `a=end-of-candidates`.
    public var hasEndOfCandidates = false
    /// The payload types that have an `a=rtpmap`, in the order of `formats`.
    public var codecs: [CodecDescription] = []
    /// `a=rtcp-fb:*`.
    public var feedbackForAll: [String] = []
    /// `a=extmap` lines.
    public var extensions: [ExtensionMapping] = []
    /// `a=msid` lines.
    public var streams: [MediaStreamID] = []
    /// `a=ssrc-group` lines.
    public var sourceGroups: [SourceGroup] = []
    /// `a=ssrc` lines, together for each source.
    public var sources: [SourceDescription] = []
    /// `a=rid` lines.
    public var rids: [RIDDescription] = []
    /// `a=simulcast`.
    public var simulcast: SimulcastDescription?
    /// `a=sctp-port`.
    public var sctpPort: UInt16?
    /// `a=max-message-size`.
    public var maxMessageSize: UInt64?
    /// All other attributes, as they came.
    public var attributes: [Attribute] = []

    /// An m-line with nothing under it.
    public init(kind: MediaKind, port: UInt16, protocolName: String, formats: [String] = []) {
        self.kind = kind
        self.port = port
        self.protocolName = protocolName
        self.formats = formats
    }

    /// Whether its writer refused it or stopped it.
    public var isRefused: Bool { port == 0 && !isBundleOnly }

    func write(to text: inout String) {
        text += "m="
        text += kind.name
        text.line(" ", String(port), " ", protocolName, formats.isEmpty ? "" : " " + formats.joined(separator: " "))
        let address = connectionAddress ?? "0.0.0.0"
        text.line("c=IN ", address.utf8.contains(Field.colon) ? "IP6 " : "IP4 ", address)
        for bandwidth in bandwidths { text.line("b=", bandwidth.kind, ":", String(bandwidth.value)) }
        if let mid { text.line("a=mid:", mid) }
        if isBundleOnly { text.line("a=bundle-only") }
        transport.write(to: &text)
        for candidate in candidates { text.line("a=", candidate.text) }
        if hasEndOfCandidates { text.line("a=end-of-candidates") }
        writeMedia(to: &text)
        if let sctpPort { text.line("a=sctp-port:", String(sctpPort)) }
        if let maxMessageSize { text.line("a=max-message-size:", String(maxMessageSize)) }
        for attribute in attributes { attribute.write(to: &text) }
    }

    private func writeMedia(to text: inout String) {
        text.line("a=", direction.rawValue)
        if isRTCPMultiplexed { text.line("a=rtcp-mux") }
        if isRTCPReducedSize { text.line("a=rtcp-rsize") }
        if allowsMixedExtensions { text.line("a=extmap-allow-mixed") }
        for mapping in extensions { mapping.write(to: &text) }
        for value in feedbackForAll { text.line("a=rtcp-fb:* ", value) }
        for codec in codecs { codec.write(to: &text) }
        for rid in rids { rid.write(to: &text) }
        simulcast?.write(to: &text)
        for stream in streams { text.line("a=msid:", stream.text) }
        for group in sourceGroups { group.write(to: &text) }
        for source in sources { source.write(to: &text) }
    }
}

/// The first word of an m-line.
public enum MediaKind: Sendable, Hashable {
    /// Sound.
    case audio
    /// Pictures.
    case video
    /// Data channels.
    case application
    /// What a node never agrees to.
    case other(String)

    init(_ name: String) {
        switch name {
        case "audio": self = .audio
        case "video": self = .video
        case "application": self = .application
        default: self = .other(name)
        }
    }

    /// As it stands in the m-line.
    public var name: String {
        switch self {
        case .audio: "audio"
        case .video: "video"
        case .application: "application"
        case .other(let name): name
        }
    }
}

/// Which way media goes, seen by who wrote it.
public enum MediaDirection: String, Sendable {
    /// Both ways.
    case sendrecv
    /// To the peer.
    case sendonly
    /// From the peer.
    case recvonly
    /// Neither.
    case inactive

    /// As the peer sees it.
    public var reversed: Self {
        switch self {
        case .sendonly: .recvonly
        case .recvonly: .sendonly
        case .sendrecv, .inactive: self
        }
    }

    /// Whether the writer sends.
    public var sends: Bool { self == .sendrecv || self == .sendonly }
    /// Whether the writer receives.
    public var receives: Bool { self == .sendrecv || self == .recvonly }
}

/// One `b=` line.
public struct Bandwidth: Sendable, Equatable {
    /// `AS` (kbit/s) or `TIAS` (bit/s).
    public var kind: String
    /// In the unit of its kind.
    public var value: UInt64

    /// A limit.
    public init(kind: String, value: UInt64) {
        self.kind = kind
        self.value = value
    }
}

/// An attribute that has no type of its own.
public struct Attribute: Sendable, Equatable {
    /// What stands before the colon.
    public var name: String
    /// What stands behind it; nil without a colon.
    public var value: String?

    /// An attribute.
    public init(_ name: String, _ value: String? = nil) {
        self.name = name
        self.value = value
    }

    func write(to text: inout String) {
        if let value {
            text.line("a=", name, ":", value)
        } else {
            text.line("a=", name)
        }
    }
}

extension String {
    /// Appends the pieces and an end of line. Not variadic: that would allocate an array for each line.
    mutating func line(
        _ first: String, _ second: String = "", _ third: String = "", _ fourth: String = "", _ fifth: String = ""
    ) {
        self += first
        self += second
        self += third
        self += fourth
        self += fifth
        self += "\r\n"
    }
}
