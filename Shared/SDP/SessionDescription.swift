/// An offer or an answer (RFC 8866, RFC 9429): what a browser's text says, as values.
///
/// Reading is tolerant: what cannot be understood in an attribute is passed over, unknown attributes are kept. It takes
/// time in proportion to the text, and `SDPLimits` bound it.
public struct SessionDescription: Sendable, Equatable {
    /// The id in `o=`.
    public var sessionID: UInt64 = 0
    /// The version in `o=`: grows with each description of a session.
    public var version: UInt64 = 0
    /// The user name in `o=`; browsers write `-`.
    public var originName = "-"
    /// The mids of each `a=group:BUNDLE`.
    public var bundles: [[String]] = []
    /// `a=ice-lite`.
    public var isICELite = false
    /// `a=extmap-allow-mixed` for all m-lines.
    public var allowsMixedExtensions = false
    /// ICE and DTLS for all m-lines that say nothing else.
    public var transport = TransportAttributes()
    /// The m-lines.
    public var media: [MediaDescription] = []
    /// All other attributes above the first m-line, as they came.
    public var attributes: [Attribute] = []

    /// A description without m-lines.
    public init(sessionID: UInt64, version: UInt64) {
        self.sessionID = sessionID
        self.version = version
    }

    /// The text, each line ended by CR and LF.
    public var text: String {
        var text = ""
        text.reserveCapacity(512 + media.count * 1_536)
        write(to: &text)
        return text
    }

    /// Appends the text.
    public func write(to text: inout String) {
        text.line("v=0")
        text.line("o=", originName, " \(sessionID) \(version) IN IP4 0.0.0.0")
        text.line("s=-")
        text.line("t=0 0")
        for mids in bundles { text.line("a=group:BUNDLE", mids.isEmpty ? "" : " ", mids.joined(separator: " ")) }
        if isICELite { text.line("a=ice-lite") }
        if allowsMixedExtensions { text.line("a=extmap-allow-mixed") }
        transport.write(to: &text)
        for attribute in attributes { attribute.write(to: &text) }
        for section in media { section.write(to: &text) }
    }
}
