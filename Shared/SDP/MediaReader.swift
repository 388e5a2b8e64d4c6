/// Reads the lines of one m-line, one after the other.
struct MediaReader {
    private var media: MediaDescription
    /// For each payload type of the m-line, where it is in `codecs`.
    private var codecIndex = [Int16](repeating: -1, count: 128)

    /// Starts with what stands behind `m=`; nil if it has no kind, port and protocol.
    init?(_ value: borrowing Field) {
        var value = copy value
        let kind = value.word().string
        var port = value.word()
        let protocolName = value.word().string
        // "9/2" counts ports, as nobody does any more.
        guard !kind.isEmpty, !protocolName.isEmpty, let number = port.next(upTo: Field.slash).number(UInt16.self) else {
            return nil
        }
        media = MediaDescription(
            kind: MediaKind(kind), port: number, protocolName: protocolName, formats: value.words())
        for format in media.formats {
            guard let type = Field(format.utf8.span).number(UInt8.self), type < 128, codecIndex[Int(type)] < 0 else {
                continue
            }
            codecIndex[Int(type)] = Int16(media.codecs.count)
            media.codecs.append(CodecDescription(payloadType: type, name: "", clockRate: 0))
        }
    }

    /// Takes one line: its letter, and what stands behind the `=`.
    mutating func read(_ type: UInt8, _ value: borrowing Field) {
        switch type {
        case 0x61: readAttribute(value)
        case 0x62: readBandwidth(value)
        case 0x63: readConnection(value)
        default: break
        }
    }

    /// The m-line, all lines read.
    mutating func finish() -> MediaDescription {
        media.codecs.removeAll { $0.name.isEmpty }
        media.transport.dropHalfCredentials()
        return media
    }

    private mutating func readConnection(_ value: borrowing Field) {
        var value = copy value
        guard value.word().string == "IN", !value.word().isEmpty else { return }
        var address = value.word()
        let text = address.next(upTo: Field.slash).string
        media.connectionAddress = text.isEmpty || text == "0.0.0.0" ? nil : text
    }

    private mutating func readBandwidth(_ value: borrowing Field) {
        var value = copy value
        let kind = value.next(upTo: Field.colon).trimmed.string
        guard !kind.isEmpty, let number = value.trimmed.number(UInt64.self), media.bandwidths.count < 8 else { return }
        media.bandwidths.append(Bandwidth(kind: kind, value: number))
    }

    private mutating func readAttribute(_ line: borrowing Field) {
        let hasValue = line.contains(Field.colon)
        var value = copy line
        let name = value.next(upTo: Field.colon).string
        if readFlag(name) || readCodec(name, value) || readSource(name, value) || media.transport.read(name, value) {
            return
        }
        switch name {
        case "mid":
            let mid = value.word().string
            media.mid = mid.isEmpty ? nil : mid
        case "candidate":
            if media.candidates.count < SectionCaps.candidates, let candidate = CandidateDescription(parsing: value) {
                media.candidates.append(candidate)
            }
        case "extmap": readExtension(value)
        case "rid":
            if media.rids.count < SectionCaps.rids, let rid = RIDDescription(parsing: value) { media.rids.append(rid) }
        case "simulcast": media.simulcast = media.simulcast ?? SimulcastDescription(parsing: value)
        case "sctp-port": media.sctpPort = value.trimmed.number()
        case "max-message-size": media.maxMessageSize = value.trimmed.number()
        // Its port is the m-line's: rtcp-mux is a must.
        case "rtcp": break
        default:
            if media.attributes.count < SectionCaps.others {
                media.attributes.append(Attribute(name, hasValue ? value.string : nil))
            }
        }
    }

    private mutating func readFlag(_ name: String) -> Bool {
        switch name {
        case "rtcp-mux": media.isRTCPMultiplexed = true
        case "rtcp-rsize": media.isRTCPReducedSize = true
        case "bundle-only": media.isBundleOnly = true
        case "extmap-allow-mixed": media.allowsMixedExtensions = true
        case "end-of-candidates": media.hasEndOfCandidates = true
        default:
            guard let direction = MediaDirection(rawValue: name) else { return false }
            media.direction = direction
        }
        return true
    }

    private mutating func readCodec(_ name: String, _ value: borrowing Field) -> Bool {
        guard name == "rtpmap" || name == "fmtp" || name == "rtcp-fb" else { return false }
        var value = copy value
        let type = value.word()
        let rest = value.trimmed
        if name == "rtcp-fb", type.string == "*" {
            if media.feedbackForAll.count < SectionCaps.feedbackPerCodec { media.feedbackForAll.append(rest.string) }
            return true
        }
        // Firefox writes rtcp-fb for types that its m-line does not list.
        guard let number = type.number(UInt8.self), number < 128, codecIndex[Int(number)] >= 0, !rest.isEmpty else {
            return true
        }
        let index = Int(codecIndex[Int(number)])
        switch name {
        case "rtpmap": readMapping(rest, at: index)
        case "fmtp": media.codecs[index].parameters = FormatParameters(rest.string)
        default:
            if media.codecs[index].feedback.count < SectionCaps.feedbackPerCodec {
                media.codecs[index].feedback.append(rest.string)
            }
        }
        return true
    }

    private mutating func readMapping(_ value: borrowing Field, at index: Int) {
        var value = copy value
        let name = value.next(upTo: Field.slash).trimmed.string
        guard !name.isEmpty, let rate = value.next(upTo: Field.slash).trimmed.number(UInt32.self) else { return }
        media.codecs[index].name = name
        media.codecs[index].clockRate = rate
        media.codecs[index].channels = value.trimmed.number()
    }

    private mutating func readExtension(_ value: borrowing Field) {
        var value = copy value
        var id = value.word()
        let uri = value.word().string
        guard media.extensions.count < SectionCaps.extensions, !uri.isEmpty,
            let number = id.next(upTo: Field.slash).number(UInt16.self)
        else { return }
        let direction = id.isEmpty ? nil : MediaDirection(rawValue: id.string)
        media.extensions.append(ExtensionMapping(id: number, direction: direction, uri: uri))
    }

    private mutating func readSource(_ name: String, _ value: borrowing Field) -> Bool {
        var value = copy value
        switch name {
        case "msid":
            if media.streams.count < SectionCaps.streams, let stream = MediaStreamID(parsing: value) {
                media.streams.append(stream)
            }
        case "ssrc-group":
            let semantics = value.word().string
            var ssrcs: [UInt32] = []
            while !value.isEmpty, ssrcs.count < SectionCaps.sources {
                if let ssrc = value.word().number(UInt32.self) { ssrcs.append(ssrc) }
            }
            if !semantics.isEmpty, !ssrcs.isEmpty, media.sourceGroups.count < SectionCaps.sourceGroups {
                media.sourceGroups.append(SourceGroup(semantics: semantics, ssrcs: ssrcs))
            }
        case "ssrc":
            if let ssrc = value.word().number(UInt32.self), let index = sourceIndex(ssrc) {
                var setting = value.trimmed
                switch setting.next(upTo: Field.colon).string {
                case "cname": media.sources[index].cname = setting.isEmpty ? nil : setting.string
                case "msid": media.sources[index].stream = MediaStreamID(parsing: setting)
                default: break
                }
            }
        default: return false
        }
        return true
    }

    /// Where the source is in the list; it is added if it is new, and nil if the list is full.
    private mutating func sourceIndex(_ ssrc: UInt32) -> Int? {
        if let index = media.sources.lastIndex(where: { $0.ssrc == ssrc }) { return index }
        guard media.sources.count < SectionCaps.sources else { return nil }
        media.sources.append(SourceDescription(ssrc: ssrc))
        return media.sources.count - 1
    }
}
