import SDP
import Testing

/// SplitMix64: the seed says the whole run.
private struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// What must hold for any text, here for browsers' offers with lines lost, repeated, moved and spoilt.
struct SDPPropertyTests {
    private func spoil(_ lines: [Substring], _ random: inout Random) -> String {
        var lines = lines
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            let index = Int.random(in: 1..<lines.count, using: &random)
            switch Int.random(in: 0..<7, using: &random) {
            case 0: lines.remove(at: index)
            case 1: lines.insert(lines[index], at: Int.random(in: 1..<lines.count, using: &random))
            case 2: lines.swapAt(index, Int.random(in: 1..<lines.count, using: &random))
            case 3: lines[index] = lines[index].prefix(Int.random(in: 0...lines[index].count, using: &random))
            case 4: lines[index].append(contentsOf: lines.randomElement(using: &random) ?? "")
            case 5: lines.removeSubrange(index..<min(index + Int.random(in: 1...20, using: &random), lines.count))
            default:
                var bytes = Array(lines[index].utf8)
                guard let place = bytes.indices.randomElement(using: &random) else { continue }
                bytes[place] = UInt8.random(in: 0x20...0x7e, using: &random)
                lines[index] = Substring(String(decoding: bytes, as: UTF8.self))
            }
            if lines.count < 3 { break }
        }
        return lines.joined(separator: "\r\n")
    }

    @Test(arguments: ["chromium-156-first", "firefox-153-grown"])
    func `spoilt offers never trap, are written stably, and are answered alike`(name: String) throws {
        let lines = try offer(name).split(whereSeparator: \.isNewline)
        var answered = 0
        for seed in 1...250 as ClosedRange<UInt64> {
            var random = Random(state: seed)
            guard let parsed = try? SessionDescription(parsing: spoil(lines, &random)) else { continue }
            #expect(try SessionDescription(parsing: parsed.text).text == parsed.text, "seed \(seed)")
            var node = TestNode()
            guard let first = try? node.answer(parsed) else { continue }
            answered += 1
            check(first, parsed, seed)
            let second = try node.answer(parsed)
            #expect(second.session.media == first.session.media, "seed \(seed)")
            #expect(node.requests.isEmpty, "seed \(seed)")
        }
        #expect(answered > 40)
    }

    private func check(_ answer: Answer, _ offer: SessionDescription, _ seed: UInt64) {
        let description = answer.description
        #expect(
            description.media.count == offer.media.count && answer.session.media.count == offer.media.count,
            "seed \(seed)")
        var ssrcs: Set<UInt32> = []
        for (agreed, (ours, theirs)) in zip(answer.session.media, zip(description.media, offer.media)) {
            #expect(ours.mid == theirs.mid, "seed \(seed)")
            #expect((agreed.role == .publish || agreed.role == .slot) == (ours.port != 0), "seed \(seed)")
            #expect((agreed.role == .slot) == (agreed.slot != nil), "seed \(seed)")
            guard ours.port != 0 else { continue }
            #expect(Set(ours.formats).isSubset(of: theirs.formats), "seed \(seed)")
            #expect(!agreed.codecs.isEmpty && agreed.rids.count <= 4, "seed \(seed)")
            #expect(!ours.direction.sends || theirs.direction.receives, "seed \(seed)")
            #expect(!ours.direction.receives || theirs.direction.sends, "seed \(seed)")
            let types = agreed.codecs.flatMap { [$0.payloadType, $0.rtxPayloadType].compactMap(\.self) }
            #expect(Set(types).count == types.count, "seed \(seed)")
            for kind in ExtensionKind.allCases where agreed.extensions[kind] != 0 {
                #expect(agreed.extensions.kind(of: agreed.extensions[kind]) == kind, "seed \(seed)")
            }
            if let slot = agreed.slot {
                let isNew = ssrcs.insert(slot.ssrc).inserted
                #expect(isNew, "seed \(seed)")
            }
        }
    }

    @Test func `a text cut short anywhere is read or refused`() throws {
        let bytes = Array(try offer("firefox-153-first").utf8)
        for count in stride(from: 0, to: bytes.count, by: 7) {
            _ = try? SessionDescription(parsing: Array(bytes[..<count]))
        }
    }
}
