import RTP
import Testing
import Time

/// A publisher's stream of pictures: frames of several packets, three temporal layers, key frames when asked for.
private struct Source {
    struct Packet {
        var header: RTPHeader
        var vp8: VP8Descriptor
        var startsKeyFrame: Bool
        var layer: UInt8
    }

    let ssrc: UInt32
    var number: UInt16
    var timestamp: UInt32
    var pictureID: UInt16
    var layerIndex: UInt8
    var frame = 0

    init(ssrc: UInt32, using random: inout SeededRandom) {
        self.ssrc = ssrc
        number = .random(in: 0 ... .max, using: &random)
        timestamp = .random(in: 0 ... .max, using: &random)
        pictureID = .random(in: 0...0x7fff, using: &random)
        layerIndex = .random(in: 0 ... .max, using: &random)
    }

    mutating func nextFrame(isKey: Bool, using random: inout SeededRandom) -> [Packet] {
        if isKey { frame = 0 }
        let layer: UInt8 = [0, 2, 1, 2][frame % 4]
        frame += 1
        timestamp &+= 3000
        pictureID = (pictureID + 1) & 0x7fff
        if layer == 0 { layerIndex &+= 1 }
        let count = Int.random(in: 1...4, using: &random)
        return (0..<count).map { index in
            number &+= 1
            return Packet(
                header: header(ssrc, number, timestamp, marker: index == count - 1),
                vp8: picture(pictureID, layerIndex, layer: layer, isKey: isKey), startsKeyFrame: isKey && index == 0,
                layer: layer)
        }
    }
}

struct RewriterHistoryTests {
    /// What went out, by its place in the stream.
    private struct Sent {
        var outgoing: OutgoingRTP
        var packet: Source.Packet?
        var era: Int
    }

    @Test(arguments: 0..<24)
    func `whatever happens to sources, the outgoing stream is valid`(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var sources = (1...3).map { Source(ssrc: UInt32($0), using: &random) }
        let loss = seed % 3 == 0 ? 0 : Double(seed) / 200
        let disorder = seed % 2 == 0 ? 0 : 0.05
        var rewriter = StreamRewriter(
            ssrc: SSRC(rawValue: 7), codec: .vp8,
            firstSequenceNumber: SequenceNumber(rawValue: .random(in: 0 ... .max, using: &random)),
            firstTimestamp: RTPTimestamp(rawValue: .random(in: 0 ... .max, using: &random)), history: 256)
        var unwrapper = SequenceUnwrapper()
        var sent: [Int64: Sent] = [:]
        var current = -1
        var wanted: Int? = 0
        var era = 0
        var maxLayer: UInt8 = 2
        var held: [Source.Packet] = []
        var lastNow = Instant.zero
        var lost = 0

        for tick in 0..<3000 {
            let now = Instant.zero + .milliseconds(Int64(tick) * 33 + Int64.random(in: 0...8, using: &random))
            if Int.random(in: 0..<60, using: &random) == 0 { wanted = Int.random(in: 0..<3, using: &random) }
            if Int.random(in: 0..<40, using: &random) == 0 { maxLayer = .random(in: 0...2, using: &random) }
            var arriving: [Source.Packet] = held
            held = []
            for index in sources.indices {
                let isKey = wanted == index && Int.random(in: 0..<5, using: &random) == 0
                for packet in sources[index].nextFrame(isKey: isKey, using: &random) {
                    if Double.random(in: 0..<1, using: &random) < loss {
                        lost += 1
                    } else if Double.random(in: 0..<1, using: &random) < disorder {
                        held.append(packet)
                    } else {
                        arriving.append(packet)
                        if Double.random(in: 0..<1, using: &random) < disorder { arriving.append(packet) }
                    }
                }
            }
            for packet in arriving {
                let index = Int(packet.header.ssrc.rawValue) - 1
                var switches = false
                if index == wanted, packet.startsKeyFrame {
                    rewriter.switchSource(to: packet.header.ssrc, keepingHistory: true)
                    wanted = nil
                    switches = true
                }
                let rewriting = rewriter.rewrite(
                    packet.header, vp8: packet.vp8, isWanted: packet.layer <= maxLayer || switches, now: now)
                guard let outgoing = rewriting.outgoing else { continue }
                let number = unwrapper.unwrap(outgoing.sequenceNumber).rawValue
                #expect(sent[number] == nil, "a number goes out twice")
                if switches {
                    era += 1
                    let before = sent.values.filter { $0.era == era - 1 }.map(\.outgoing.timestamp)
                    let newest = before.max { $0.distance(to: $1) > 0 }
                    let passed = Int((now - lastNow).nanoseconds * 90 / 1_000_000)
                    if let newest {
                        let step = newest.distance(to: outgoing.timestamp)
                        #expect(step > 0)
                        // By the clock, give or take what arrival and capture differ in a source.
                        #expect(abs(step - passed) <= 2 * 90 * 40 + 3000, "\(step) ticks in \(passed)")
                    }
                    current = index
                } else {
                    #expect(index == current, "only what is shown goes out")
                }
                var kept: Source.Packet?
                if case .forward = rewriting { kept = packet }
                sent[number] = Sent(outgoing: outgoing, packet: kept, era: era)
                lastNow = now
                if let kept { check(&rewriter, outgoing, kept) }
            }
        }

        checkOrder(sent, hasLoss: loss > 0 || disorder > 0)
        #expect(sent.count > 1000)
        #expect((lost == 0) == (loss == 0))
    }

    /// What just went out can be asked for, and would be the same.
    private func check(_ rewriter: inout StreamRewriter, _ outgoing: OutgoingRTP, _ packet: Source.Packet) {
        guard case .packet(let origin) = rewriter.retransmission(of: outgoing.sequenceNumber) else {
            Issue.record("a packet that went out is known")
            return
        }
        #expect(origin.source == packet.header.ssrc)
        #expect(origin.sequenceNumber == packet.header.sequenceNumber)
        #expect(origin.outgoing(for: packet.header) == outgoing)
    }

    /// Numbers, times and picture ids of all that went out, in the order of numbers.
    private func checkOrder(_ sent: [Int64: Sent], hasLoss: Bool) {
        var before: Sent?
        var beforeNumber: Int64?
        for number in sent.keys.sorted() {
            guard let now = sent[number] else { continue }
            defer {
                if now.packet != nil { before = now }
                beforeNumber = number
            }
            if let beforeNumber, !hasLoss { #expect(number == beforeNumber + 1, "no gap without loss") }
            guard let packet = now.packet, let before, let packetBefore = before.packet else { continue }
            let step = before.outgoing.timestamp.distance(to: now.outgoing.timestamp)
            let pictures = (before.outgoing.vp8, now.outgoing.vp8)
            guard let old = pictures.0, let new = pictures.1 else {
                Issue.record("each packet has a picture")
                continue
            }
            let pictureStep = Int((new.pictureID &- old.pictureID) & 0x7fff)
            let layerStep = Int(new.tl0PictureIndex &- old.tl0PictureIndex)
            if before.era == now.era {
                #expect(step == packetBefore.header.timestamp.distance(to: packet.header.timestamp))
                let isSame = packet.vp8.pictureID == packetBefore.vp8.pictureID
                #expect(isSame ? pictureStep == 0 : (1..<100).contains(pictureStep))
                #expect(layerStep == Int((packet.vp8.tl0PictureIndex ?? 0) &- (packetBefore.vp8.tl0PictureIndex ?? 0)))
                if !hasLoss { #expect(pictureStep <= 1, "no picture missing without loss") }
            } else {
                #expect(step > 0, "time goes on at a switch")
                #expect(now.era == before.era + 1)
                #expect(packet.startsKeyFrame)
                #expect((1..<100).contains(pictureStep))
                #expect((1..<100).contains(layerStep))
                if !hasLoss { #expect(pictureStep == 1 && layerStep == 1) }
            }
        }
    }

    @Test func `numbers of any order of any source never trap, and never go out twice`() {
        var random = SeededRandom(seed: 99)
        for _ in 0..<50 {
            var rewriter = StreamRewriter(
                ssrc: SSRC(rawValue: 7), codec: Bool.random(using: &random) ? .vp8 : .opus,
                firstSequenceNumber: SequenceNumber(rawValue: 65_000), firstTimestamp: RTPTimestamp(rawValue: 0),
                history: 32)
            var unwrapper = SequenceUnwrapper()
            var seen: Set<Int64> = []
            var number: UInt16 = 0
            var now = Instant.zero
            for _ in 0..<2000 {
                now += .milliseconds(Int64.random(in: -5...30, using: &random))
                let ssrc = UInt32.random(in: 1...2, using: &random)
                if Int.random(in: 0..<20, using: &random) == 0 {
                    rewriter.switchSource(to: SSRC(rawValue: ssrc), keepingHistory: Bool.random(using: &random))
                }
                if Int.random(in: 0..<100, using: &random) == 0 { rewriter.stop() }
                let step =
                    Int.random(in: 0..<30, using: &random) == 0 ? 70_000 : Int.random(in: -20...20, using: &random)
                number &+= UInt16(truncatingIfNeeded: step)
                let payload = Int.random(in: 0...2, using: &random)
                let rewriting = rewriter.rewrite(
                    header(ssrc, number, .random(in: 0 ... .max, using: &random), payload: payload),
                    vp8: Bool.random(using: &random)
                        ? picture(.random(in: 0...0x7fff, using: &random), .random(in: 0...255, using: &random)) : nil,
                    isWanted: Int.random(in: 0..<4, using: &random) > 0, now: now)
                if let outgoing = rewriting.outgoing {
                    #expect(seen.insert(unwrapper.unwrap(outgoing.sequenceNumber).rawValue).inserted)
                }
                _ = rewriter.retransmission(of: SequenceNumber(rawValue: .random(in: 0 ... .max, using: &random)))
            }
        }
    }
}
