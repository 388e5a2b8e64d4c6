// What of an m-line both ends have. One pass over its payload types and one over its extensions.

extension MediaDescription {
    /// For each wanted codec the payload type that suits best, with its RTX; in the order of `wanted`. None of sound
    /// without Opus: RED only wraps it.
    func agreedCodecs(_ wanted: [CodecKind], feedback allowed: Feedback) -> [NegotiatedCodec] {
        var best = [(rank: Int, index: Int)?](repeating: nil, count: CodecKind.allCases.count)
        var repairs = [UInt8?](repeating: nil, count: 128)
        for (index, codec) in codecs.enumerated() {
            let name = codec.name.lowercased()
            if name == "rtx" {
                if let repaired = codec.associatedPayloadType, repaired < 128, repairs[Int(repaired)] == nil {
                    repairs[Int(repaired)] = codec.payloadType
                }
            } else if let kind = CodecKind(name: name), let rank = codec.rank(as: kind) {
                let slot = Int(kind.rawValue)
                if rank < best[slot]?.rank ?? .max { best[slot] = (rank, index) }
            }
        }
        let agreed = wanted.compactMap { kind -> NegotiatedCodec? in
            guard kind.isAudio == (self.kind == .audio), let found = best[Int(kind.rawValue)] else { return nil }
            let codec = codecs[found.index]
            return NegotiatedCodec(
                kind: kind, payloadType: codec.payloadType,
                rtxPayloadType: kind.isAudio ? nil : repairs[Int(codec.payloadType)], clockRate: codec.clockRate,
                channels: kind.isAudio ? codec.channels ?? 1 : 0, parameters: codec.parameters,
                feedback: Feedback(codec.feedback + feedbackForAll).intersection(allowed))
        }
        guard kind == .audio else { return agreed }
        guard let opus = agreed.first(where: { $0.kind == .opus }) else { return [] }
        let sound = agreed.filter { $0.kind != .red || $0.wraps(opus) }
        // What stands first is sent: RED takes twice the rate, so it is the client's choice to put it there.
        guard let red = best[Int(CodecKind.red.rawValue)], let plain = best[Int(CodecKind.opus.rawValue)],
            red.index < plain.index
        else { return sound }
        return sound.filter { $0.kind == .red } + sound.filter { $0.kind != .red }
    }

    /// The ids of what is known, allowed, and may go the way that the client writes as `direction`.
    ///
    /// - Parameter isMixed: whether packets may have the two-byte form.
    func agreedExtensions(_ allowed: Set<ExtensionKind>, clientSends: Bool, isMixed: Bool) -> ExtensionIDs {
        var ids = ExtensionIDs()
        for mapping in extensions {
            // 15 is reserved in the one-byte form, and what is above needs the two-byte form (RFC 8285 §4.2, §4.3).
            guard 1...14 ~= mapping.id || isMixed && 16...255 ~= mapping.id,
                let kind = ExtensionKind(uri: mapping.uri), allowed.contains(kind), ids[kind] == 0
            else { continue }
            let id = UInt8(truncatingIfNeeded: mapping.id)
            let direction = mapping.direction ?? .sendrecv
            guard clientSends ? direction.sends : direction.receives, ids.kind(of: id) == nil else { continue }
            ids[kind] = id
        }
        return ids
    }

    /// The layers that the writer sends: of alternatives the first, each with an `a=rid` that fits into a header extension.
    func sentLayers(atMost maximum: Int) -> [NegotiatedRID] {
        let known = rids.filter { $0.direction == .send && $0.id.fitsHeaderExtension }
        let wanted = simulcast?.send.compactMap(\.first) ?? known.map { SimulcastDescription.Layer(rid: $0.id) }
        var layers: [NegotiatedRID] = []
        for layer in wanted where layers.count < maximum {
            guard known.contains(where: { $0.id == layer.rid }), !layers.contains(where: { $0.rid == layer.rid }) else {
                continue
            }
            layers.append(NegotiatedRID(rid: layer.rid, isPaused: layer.isPaused))
        }
        return layers
    }
}

extension NegotiatedCodec {
    /// Whether this RED carries these packets: `111/111` (RFC 2198 §5).
    func wraps(_ opus: NegotiatedCodec) -> Bool {
        var types = Field(parameters.text.utf8.span)
        var count = 0
        while !types.isEmpty {
            guard types.next(upTo: Field.slash).trimmed.number(UInt8.self) == opus.payloadType else { return false }
            count += 1
        }
        return count > 0
    }
}

extension CodecKind {
    /// The codec of a name in small letters.
    init?(name: String) {
        switch name {
        case "opus": self = .opus
        case "red": self = .red
        case "vp8": self = .vp8
        case "vp9": self = .vp9
        case "h264": self = .h264
        case "av1": self = .av1
        default: return nil
        }
    }
}

extension String {
    /// Whether it can stand in a one-byte header extension (RFC 8285 §4.2): 1 to 16 bytes.
    var fitsHeaderExtension: Bool { 1...16 ~= utf8.count }
}
