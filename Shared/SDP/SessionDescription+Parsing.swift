extension SessionDescription {
    /// Reads a description. Allocates; costs about a microsecond for each two lines.
    public init(parsing text: String, limits: SDPLimits = SDPLimits()) throws(SDPError) {
        try self.init(parsing: text.utf8.span, limits: limits)
    }

    /// Reads a description.
    public init(parsing bytes: [UInt8], limits: SDPLimits = SDPLimits()) throws(SDPError) {
        try self.init(parsing: bytes.span, limits: limits)
    }

    /// Reads a description.
    public init(parsing bytes: Span<UInt8>, limits: SDPLimits = SDPLimits()) throws(SDPError) {
        guard bytes.count <= limits.bytes else { throw .tooLong(bytes: bytes.count, limit: limits.bytes) }
        guard (try? UTF8Span(validating: bytes)) != nil else { throw .notUTF8 }
        self.init(sessionID: 0, version: 0)
        var rest = Field(bytes)
        guard rest.next(upTo: Field.newline).trimmed.string == "v=0" else { throw .notSDP }
        try read(rest, limits: limits)
        transport.dropHalfCredentials()
    }

    private mutating func read(_ lines: borrowing Field, limits: SDPLimits) throws(SDPError) {
        var rest = copy lines
        var reader: MediaReader?
        var number = 1
        var linesInSection = 1
        while !rest.isEmpty {
            number += 1
            let line = rest.next(upTo: Field.newline).trimmed
            if line.isEmpty { continue }
            guard line.bytes.count >= 2, line.bytes[1] == Field.equals else { throw .malformedLine(number) }
            let isMedia = line.bytes[0] == 0x6d
            linesInSection = isMedia ? 1 : linesInSection + 1
            guard linesInSection <= limits.linesPerSection else { throw .tooManyLines(limit: limits.linesPerSection) }
            let value = line.dropping(2)
            if isMedia {
                if let done = reader?.finish() { media.append(done) }
                guard media.count < limits.media else { throw .tooManyMedia(limit: limits.media) }
                guard let next = MediaReader(value) else { throw .malformedLine(number) }
                reader = next
            } else if reader == nil {
                readSessionLine(line.bytes[0], value)
            } else {
                reader?.read(line.bytes[0], value)
            }
        }
        if let done = reader?.finish() { media.append(done) }
    }

    private mutating func readSessionLine(_ type: UInt8, _ value: borrowing Field) {
        switch type {
        case 0x6f:  // o
            var value = copy value
            originName = value.word().string
            sessionID = value.word().number() ?? 0
            version = value.word().number() ?? 0
            if originName.isEmpty { originName = "-" }
        case 0x61:  // a
            readAttribute(value)
        default: break
        }
    }

    private mutating func readAttribute(_ line: borrowing Field) {
        let hasValue = line.contains(Field.colon)
        var value = copy line
        let name = value.next(upTo: Field.colon).string
        switch name {
        case "group":
            let semantics = value.word().string
            if semantics == "BUNDLE" {
                if bundles.count < SectionCaps.bundles { bundles.append(value.words()) }
            } else if attributes.count < SectionCaps.others {
                attributes.append(Attribute(name, semantics + " " + value.string))
            }
        case "ice-lite": isICELite = true
        case "extmap-allow-mixed": allowsMixedExtensions = true
        default:
            if transport.read(name, value) { return }
            if attributes.count < SectionCaps.others {
                attributes.append(Attribute(name, hasValue ? value.string : nil))
            }
        }
    }
}

extension TransportAttributes {
    /// Takes an attribute that is about ICE or DTLS; false for others. Of ufrag and password the later one completes.
    mutating func read(_ name: String, _ value: borrowing Field) -> Bool {
        switch name {
        case "ice-ufrag": ice = ICECredentials(ufrag: value.trimmed.string, password: ice?.password ?? "")
        case "ice-pwd": ice = ICECredentials(ufrag: ice?.ufrag ?? "", password: value.trimmed.string)
        case "ice-options": iceOptions = value.words()
        case "setup": setup = Setup(rawValue: value.trimmed.string)
        case "fingerprint":
            if fingerprints.count < SectionCaps.fingerprints, let fingerprint = Fingerprint(parsing: value) {
                fingerprints.append(fingerprint)
            }
        default: return false
        }
        return true
    }

    /// Credentials of which one half never came are none.
    mutating func dropHalfCredentials() {
        if let ice, ice.ufrag.isEmpty || ice.password.isEmpty { self.ice = nil }
    }
}

extension Field {
    /// All words.
    func words() -> [String] {
        var rest = copy self
        var words: [String] = []
        while !rest.isEmpty {
            let word = rest.word()
            if !word.isEmpty { words.append(word.string) }
        }
        return words
    }
}
