import Bytes
import RTP
import Testing
import Time

/// A header as if it had been parsed; made of real bytes, as there is no other way.
func header(_ ssrc: UInt32, _ number: UInt16, _ timestamp: UInt32, marker: Bool = false, payload: Int = 1) -> RTPHeader
{
    let words = [UInt32(number), timestamp, ssrc]
    var bytes: [UInt8] = [payload == 0 ? 0xa0 : 0x80, marker ? 0xe0 : 0x60]
    bytes += [UInt8(words[0] >> 8), UInt8(words[0] & 0xff)]
    for word in words[1...] { for shift in [24, 16, 8, 0] { bytes.append(UInt8(word >> UInt32(shift) & 0xff)) } }
    bytes += [UInt8](repeating: 1, count: max(1, payload))
    guard let header = try? RTPHeader(parsing: bytes.span.raw) else { preconditionFailure("a good header") }
    return header
}

/// A VP8 descriptor with a long picture id.
func picture(_ id: UInt16, _ layerIndex: UInt8, layer: UInt8 = 0, isKey: Bool = false) -> VP8Descriptor {
    let bytes: [UInt8] = [0x90, 0xe0, UInt8(0x80 | id >> 8), UInt8(id & 0xff), layerIndex, layer << 6, isKey ? 0 : 1]
    guard let picture = VP8Descriptor(parsing: bytes.span.raw) else { preconditionFailure("a good descriptor") }
    return picture
}

/// What a rewriter did, in short: the number that went out, or why none did.
enum Short: Equatable {
    case sent(Int)
    case filled(Int)
    case dropped(RewriteDrop)

    init(_ rewriting: Rewriting) {
        switch rewriting {
        case .forward(let outgoing): self = .sent(Int(outgoing.sequenceNumber.rawValue))
        case .fill(let outgoing): self = .filled(Int(outgoing.sequenceNumber.rawValue))
        case .drop(let reason): self = .dropped(reason)
        }
    }
}

extension Rewriting {
    var outgoing: OutgoingRTP? {
        switch self {
        case .forward(let outgoing), .fill(let outgoing): outgoing
        case .drop: nil
        }
    }
}

struct StreamRewriterTests {
    func rewriter(_ codec: MediaCodec = .vp8, first: UInt16 = 100, history: Int = 64) -> StreamRewriter {
        StreamRewriter(
            ssrc: SSRC(rawValue: 7), codec: codec, firstSequenceNumber: SequenceNumber(rawValue: first),
            firstTimestamp: RTPTimestamp(rawValue: 5000), history: history)
    }

    @Test func `numbers follow each other over a switch, and time goes on by the clock`() {
        var rewriter = rewriter()
        rewriter.switchSource(to: SSRC(rawValue: 1), keepingHistory: false)
        let first = rewriter.rewrite(header(1, 65_535, 90, marker: true), vp8: picture(5, 9), now: .zero)
        #expect(first.outgoing?.ssrc == SSRC(rawValue: 7))
        #expect(first.outgoing?.timestamp.rawValue == 5000)
        #expect(first.outgoing?.marker == true)
        #expect(first.outgoing?.sequenceNumber.rawValue == 100)
        let second = rewriter.rewrite(header(1, 0, 3090), vp8: picture(6, 10), now: .zero + .milliseconds(33))
        #expect(second.outgoing?.timestamp.rawValue == 8000)
        #expect(second.outgoing?.sequenceNumber.rawValue == 101)
        // Another one is not shown before it is switched to.
        let other = Short(rewriter.rewrite(header(2, 500, 0), now: .zero))
        #expect(other == .dropped(.notCurrentSource))
        rewriter.switchSource(to: SSRC(rawValue: 2), keepingHistory: false)
        let old = rewriter.rewrite(header(1, 1, 3090), vp8: picture(6, 10), now: .zero + .milliseconds(34))
        #expect(old.outgoing?.sequenceNumber.rawValue == 102)
        let third = rewriter.rewrite(header(2, 501, 77), vp8: picture(900, 200), now: .zero + .milliseconds(133))
        #expect(third.outgoing?.sequenceNumber.rawValue == 103)
        #expect(third.outgoing?.timestamp.rawValue == 17_000)
        let pictures = [first, second, old, third].map { $0.outgoing?.vp8 }
        #expect(pictures[1]?.pictureID == pictures[2]?.pictureID)
        #expect(pictures[0].map { $0.pictureID + 2 } == pictures[3]?.pictureID)
        #expect(pictures[0].map { $0.tl0PictureIndex &+ 2 } == pictures[3]?.tl0PictureIndex)
        let late = Short(rewriter.rewrite(header(2, 500, 0), now: .zero))
        #expect(late == .dropped(.beforeSwitch))
        let past = Short(rewriter.rewrite(header(1, 2, 0), now: .zero))
        #expect(past == .dropped(.notCurrentSource))
    }

    @Test func `late packets find their numbers, between and behind what was left out`() {
        var rewriter = rewriter()
        rewriter.switchSource(to: SSRC(rawValue: 1), keepingHistory: false)
        func rewrite(_ number: UInt16, isWanted: Bool = true, payload: Int = 1) -> Short {
            Short(rewriter.rewrite(header(1, number, 0, payload: payload), isWanted: isWanted, now: .zero))
        }
        #expect(rewrite(10) == .sent(100))
        #expect(rewrite(11, isWanted: false) == .dropped(.skipped))
        #expect(rewrite(12, payload: 0) == .dropped(.skipped))
        #expect(rewrite(16) == .sent(104))
        #expect(rewrite(17, isWanted: false) == .dropped(.skipped))
        #expect(rewrite(18) == .sent(105))
        #expect(rewrite(13) == .sent(101))
        #expect(rewrite(15, isWanted: false) == .filled(103))
        #expect(rewrite(15) == .dropped(.duplicate))
        #expect(rewrite(13) == .dropped(.duplicate))
        #expect(rewrite(17) == .dropped(.skipped))
        #expect(rewrite(18) == .dropped(.duplicate))
        #expect(rewrite(9) == .dropped(.beforeSwitch))
        #expect(rewrite(14) == .sent(102))
    }

    @Test func `what is too old is forgotten, and a jump ends a picture stream but not a sound`() {
        var video = rewriter(history: 16)
        video.switchSource(to: SSRC(rawValue: 1), keepingHistory: false)
        var results: [Short] = []
        for number: UInt16 in [0, 2, 17, 1, 33, 34] {
            results.append(Short(video.rewrite(header(1, number, 0), now: .zero)))
        }
        #expect(
            results == [
                .sent(100), .sent(102), .sent(117), .dropped(.tooLate), .dropped(.sourceJumped),
                .dropped(.notCurrentSource),
            ])
        var sound = rewriter(.opus, history: 16)
        sound.switchSource(to: SSRC(rawValue: 1), keepingHistory: false)
        let first = sound.rewrite(header(1, 0, 0), now: .zero)
        let second = sound.rewrite(header(1, 16, 999), now: .zero + .milliseconds(20))
        #expect(first.outgoing?.marker == true && second.outgoing?.marker == true)
        #expect(second.outgoing?.sequenceNumber.rawValue == 101)
        #expect(second.outgoing?.timestamp.rawValue == 5960)
    }

    @Test func `an exact timestamp is taken where it is possible, else the clock's`() {
        for (equivalent, expected): (UInt32, UInt32) in [(3003, 8003), (0, 8600), (90_000, 8600)] {
            var rewriter = rewriter()
            rewriter.switchSource(to: SSRC(rawValue: 1), keepingHistory: true)
            _ = rewriter.rewrite(header(1, 1, 0), now: .zero)
            rewriter.switchSource(to: SSRC(rawValue: 2), keepingHistory: true)
            let next = rewriter.rewrite(
                header(2, 1, 77), equivalent: RTPTimestamp(rawValue: equivalent), now: .zero + .milliseconds(40))
            #expect(next.outgoing?.timestamp.rawValue == expected)
        }
    }

    @Test func `a lost packet is traced to its source; holes of the past are filled; too much is gone`() {
        var rewriter = rewriter(history: 16)
        func answer(_ number: UInt16) -> String {
            switch rewriter.retransmission(of: SequenceNumber(rawValue: number)) {
            case .packet(let origin): "\(origin.source.rawValue)/\(origin.sequenceNumber.rawValue)"
            case .fill(let outgoing): "fill \(outgoing.sequenceNumber.rawValue)"
            case .notYet: "not yet"
            case .gone: "gone"
            }
        }
        #expect(answer(99) == "gone")
        rewriter.switchSource(to: SSRC(rawValue: 1), keepingHistory: true)
        _ = rewriter.rewrite(header(1, 10, 0), now: .zero)
        _ = rewriter.rewrite(header(1, 12, 0), now: .zero)
        #expect([99, 100, 101, 102, 103].map { answer($0) } == ["gone", "1/10", "not yet", "1/12", "gone"])
        rewriter.switchSource(to: SSRC(rawValue: 2), keepingHistory: true)
        _ = rewriter.rewrite(header(2, 500, 0), now: .zero)
        #expect([100, 101, 102, 103].map { answer($0) } == ["1/10", "fill 101", "1/12", "2/500"])
        rewriter.switchSource(to: SSRC(rawValue: 3), keepingHistory: false)
        _ = rewriter.rewrite(header(3, 900, 0), now: .zero)
        #expect([102, 103, 104].map { answer($0) } == ["gone", "gone", "3/900"])
        for number: UInt16 in 901..<917 { _ = rewriter.rewrite(header(3, number, 0), now: .zero) }
        #expect([104, 105, 120].map { answer($0) } == ["gone", "3/901", "3/916"])
    }

    @Test func `nothing goes out while stopped, and it goes on where it was`() {
        var rewriter = rewriter()
        let none = Short(rewriter.rewrite(header(1, 1, 0), now: .zero))
        #expect(none == .dropped(.notCurrentSource))
        rewriter.switchSource(to: SSRC(rawValue: 1), keepingHistory: false)
        _ = rewriter.rewrite(header(1, 1, 0), now: .zero)
        rewriter.stop()
        let stopped = Short(rewriter.rewrite(header(1, 2, 0), now: .zero))
        #expect(stopped == .dropped(.notCurrentSource))
        let shown = rewriter.source
        #expect(shown == nil)
        rewriter.switchSource(to: SSRC(rawValue: 1), keepingHistory: false)
        let padding = Short(rewriter.rewrite(header(1, 299, 0, payload: 0), now: .zero))
        #expect(padding == .dropped(.skipped))
        let again = rewriter.rewrite(header(1, 300, 5), now: .zero + .seconds(10))
        #expect(again.outgoing?.sequenceNumber.rawValue == 101)
        #expect(again.outgoing?.timestamp.rawValue == 905_000)
    }

    @Test func `picture ids close up where pictures of a layer are left out, late packets included`() {
        var rewriter = rewriter()
        rewriter.switchSource(to: SSRC(rawValue: 1), keepingHistory: false)
        var sent: [UInt16: UInt16] = [:]
        func rewrite(_ number: UInt16, _ id: UInt16, isWanted: Bool = true) {
            let rewriting = rewriter.rewrite(header(1, number, 0), vp8: picture(id, 0), isWanted: isWanted, now: .zero)
            if case .forward(let outgoing) = rewriting { sent[number] = outgoing.vp8?.pictureID }
        }
        rewrite(1, 32_766)
        rewrite(2, 32_767, isWanted: false)
        rewrite(4, 0)
        rewrite(5, 1, isWanted: false)
        rewrite(6, 2)
        rewrite(3, 0)
        rewrite(8, 4)
        rewrite(7, 3)
        // Late packets of a picture follow what was decided for it, also where the layers have changed meanwhile.
        rewrite(11, 5, isWanted: false)
        rewrite(12, 6)
        rewrite(10, 5)
        rewrite(9, 5)
        rewrite(13, 6, isWanted: false)
        let base = sent[1] ?? 0
        #expect(
            sent == [
                1: base, 3: base + 1, 4: base + 1, 6: base + 2, 7: base + 3, 8: base + 4, 12: base + 5, 13: base + 5,
            ])
    }
}
