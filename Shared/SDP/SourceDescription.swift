/// What `a=ssrc` lines say of one source (RFC 5576 §4.1).
public struct SourceDescription: Sendable, Equatable {
    /// The source.
    public var ssrc: UInt32
    /// Its `cname`.
    public var cname: String?
    /// Its `msid`, as Chromium repeats it here.
    public var stream: MediaStreamID?

    /// A source.
    public init(ssrc: UInt32, cname: String? = nil, stream: MediaStreamID? = nil) {
        self.ssrc = ssrc
        self.cname = cname
        self.stream = stream
    }

    func write(to text: inout String) {
        let number = String(ssrc)
        if let cname { text.line("a=ssrc:", number, " cname:", cname) }
        if let stream { text.line("a=ssrc:", number, " msid:", stream.text) }
        // A source of which nothing is known would be lost otherwise.
        if cname == nil, stream == nil { text.line("a=ssrc:", number) }
    }
}

/// One `a=ssrc-group` (RFC 5576 §4.2).
public struct SourceGroup: Sendable, Equatable {
    /// `FID` pairs a source with its RTX; `SIM` lists simulcast layers, as old clients do.
    public var semantics: String
    /// The sources.
    public var ssrcs: [UInt32]

    /// A group.
    public init(semantics: String, ssrcs: [UInt32]) {
        self.semantics = semantics
        self.ssrcs = ssrcs
    }

    func write(to text: inout String) {
        text += "a=ssrc-group:"
        text += semantics
        for ssrc in ssrcs {
            text += " "
            text += String(ssrc)
        }
        text += "\r\n"
    }
}

/// One `a=msid` (RFC 8830).
public struct MediaStreamID: Sendable, Hashable {
    /// The MediaStream's id; `-` for none.
    public var stream: String
    /// The track's id, where it is said.
    public var track: String?

    /// This stream and track.
    public init(stream: String, track: String? = nil) {
        self.stream = stream
        self.track = track
    }

    init?(parsing field: borrowing Field) {
        var field = copy field
        stream = field.word().string
        let track = field.word()
        self.track = track.isEmpty ? nil : track.string
        if stream.isEmpty { return nil }
    }

    var text: String { track.map { stream + " " + $0 } ?? stream }
}
