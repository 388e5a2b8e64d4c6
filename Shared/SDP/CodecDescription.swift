/// One payload type of an m-line: its `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` together.
public struct CodecDescription: Sendable, Equatable {
    /// 0 to 127.
    public var payloadType: UInt8
    /// The name as it was spelt: `VP8`, `opus`, `rtx`. Compare without regard to case.
    public var name: String
    /// Ticks of the RTP timestamp a second.
    public var clockRate: UInt32
    /// Channels of audio; nil if not said.
    public var channels: UInt8?
    /// `a=fmtp`; empty if there is none.
    public var parameters: FormatParameters
    /// `a=rtcp-fb` values as they came: `nack pli`.
    public var feedback: [String]

    /// A payload type.
    public init(
        payloadType: UInt8, name: String, clockRate: UInt32, channels: UInt8? = nil,
        parameters: FormatParameters = FormatParameters(""), feedback: [String] = []
    ) {
        self.payloadType = payloadType
        self.name = name
        self.clockRate = clockRate
        self.channels = channels
        self.parameters = parameters
        self.feedback = feedback
    }

    func write(to text: inout String) {
        let number = String(payloadType)
        text += "a=rtpmap:"
        text += number
        text += " "
        text += name
        text += "/"
        text += String(clockRate)
        if let channels {
            text += "/"
            text += String(channels)
        }
        text += "\r\n"
        for value in feedback { text.line("a=rtcp-fb:", number, " ", value) }
        if !parameters.text.isEmpty { text.line("a=fmtp:", number, " ", parameters.text) }
    }
}

/// What stands behind the payload type in an `a=fmtp`: mostly `name=value;name=value`, for RED `111/111`.
public struct FormatParameters: Sendable, Hashable {
    /// As it came.
    public var text: String

    /// This text.
    public init(_ text: String) { self.text = text }

    /// The value of a parameter, without regard to the case of its name; nil if it is not there.
    public subscript(name: String) -> String? {
        var rest = Field(text.utf8.span)
        while !rest.isEmpty {
            let parameter = rest.next(upTo: Field.semicolon)
            var value = parameter.trimmed
            let found = value.next(upTo: Field.equals).trimmed
            if found.bytes.count == name.utf8.count, found.lowercased == name.lowercased() {
                return value.trimmed.string
            }
        }
        return nil
    }

    /// The value of a parameter as a number.
    public func number(_ name: String) -> UInt32? {
        self[name].flatMap { Field($0.utf8.span).number() }
    }
}
