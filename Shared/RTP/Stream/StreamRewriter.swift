public import Time

/// Makes one valid outgoing stream of packets of changing sources.
///
/// Sequence numbers are gapless where packets are left out on purpose, and have a gap where a packet was lost before, so
/// that the receiver asks for it. At a switch the timestamps advance by the time that has passed. Each number goes out once.
public struct StreamRewriter: ~Copyable, Sendable {
    /// What is known of an outgoing number.
    struct Record: Sendable {
        enum State: UInt8 {
            /// Given away to a packet that has not come.
            case hole
            /// It went out.
            case sent
            /// It went out, as the first of a source of sound.
            case sentFirst
            /// Padding went out in its place.
            case filled
        }

        var source: UInt16
        var era: UInt16
        var pictureID: UInt16
        var layerIndex: UInt8
        var state: State
    }

    /// The time of one source, between two switches.
    struct Era: Sendable {
        var source = SSRC(rawValue: 0)
        var timestampOffset: UInt32 = 0
        var lastTimestamp = RTPTimestamp(rawValue: 0)
        var hasPictures = false
    }

    /// The outgoing stream.
    public let ssrc: SSRC
    /// What it carries.
    public let codec: MediaCodec
    /// How many packets went out, padding left aside.
    public private(set) var packetCount: UInt32 = 0
    /// How many bytes of payload went out.
    public private(set) var octetCount: UInt32 = 0

    // Of each of the last outgoing numbers; of none until a first source begins: most slots show nobody.
    private var history: RecordSlab<Record>
    private let historyCount: Int
    private static let blank = Record(source: 0, era: 0, pictureID: 0, layerIndex: 0, state: .hole)
    // The last eight; older ones cannot be answered for.
    private var eras = [8 of Era](repeating: Era())
    private var era: UInt16 = 0
    private var pending: SSRC?
    private var keepsHistory = false
    private var isActive = false

    private var newestOutgoing: Int64
    private var firstAnswerable: Int64
    private var newestSource: Int64 = 0
    private var firstSource: Int64 = 0
    private var skips = SkipWindow()
    private var pictures: PictureMapper

    private var lastTimestamp: RTPTimestamp
    private var lastChange: Instant?

    /// A stream that has sent nothing.
    ///
    /// - Parameters:
    ///   - firstSequenceNumber: random, as RFC 3550 §5.1 asks.
    ///   - firstTimestamp: random too.
    ///   - history: how many numbers can be answered for, a power of two, eight bytes each. 1,024 are 3.6 s of a video of
    ///     2.5 Mbit/s; for sound 128 are 2.5 s.
    public init(
        ssrc: SSRC, codec: MediaCodec, firstSequenceNumber: SequenceNumber, firstTimestamp: RTPTimestamp,
        history: Int = 1024
    ) {
        self.ssrc = ssrc
        self.codec = codec
        precondition(history > 0 && history & (history - 1) == 0, "a history's length is a power of two")
        historyCount = history
        self.history = RecordSlab(count: 1, repeating: Self.blank)
        firstAnswerable = 0x1_0000 + Int64(firstSequenceNumber.rawValue)
        newestOutgoing = firstAnswerable - 1
        lastTimestamp = firstTimestamp
        pictures = PictureMapper(
            firstPictureID: firstSequenceNumber.rawValue, firstLayerIndex: UInt8(firstSequenceNumber.rawValue & 0xff))
    }

    /// Shows another source from its next packet on; until then the old one. For video that packet must start a key frame.
    ///
    /// The same source again means that packets were left out meanwhile, as after a pause.
    /// - Parameter keepingHistory: whether lost packets of before can still be asked for: yes for another layer of the
    ///   same track, no for something else, which the receiver shall not wait for.
    public mutating func switchSource(to source: SSRC, keepingHistory: Bool) {
        pending = source
        keepsHistory = keepingHistory
    }

    /// Shows nothing until the next switch.
    public mutating func stop() {
        isActive = false
        pending = nil
    }

    /// The source that is shown; nil if none has begun.
    public var source: SSRC? { isActive ? currentEra.source : nil }

    /// The source whose next packet begins a new part of the stream; nil if there is no switch ahead.
    public var nextSource: SSRC? { pending }

    /// Decides on a received packet.
    ///
    /// - Parameters:
    ///   - vp8: the descriptor of its payload, for VP8.
    ///   - equivalent: at a switch between layers of one track, its timestamp on the clock of the layer before
    ///     (`SenderReportClock.translate`): then the picture's rhythm stays exact.
    ///   - isWanted: false for a temporal layer that this receiver does not get. For VP8 the first packet of a picture
    ///     decides for all of them.
    public mutating func rewrite(
        _ header: RTPHeader, vp8: VP8Descriptor? = nil, equivalent: RTPTimestamp? = nil, isWanted: Bool = true,
        now: Instant
    ) -> Rewriting {
        // Padding carries nothing: publishers probe with it.
        let isEmpty = header.payloadByteCount == 0
        if header.ssrc == pending {
            guard isWanted, !isEmpty else { return .drop(.skipped) }
            return begin(header, vp8, equivalent, now)
        }
        guard isActive, header.ssrc == currentEra.source else { return .drop(.notCurrentSource) }
        var isWanted = isWanted
        if let vp8, let isDecided = pictures.isDecided(vp8) { isWanted = isDecided }
        if isEmpty { isWanted = false }
        let steps = SequenceNumber(rawValue: UInt16(truncatingIfNeeded: newestSource)).distance(
            to: header.sequenceNumber)
        let number = newestSource &+ Int64(steps)
        guard steps > 0 else { return rewriteLate(header, vp8, number, isWanted, now) }
        // Beyond what can be asked for again, a gap is no loss but another stream under the same name.
        guard steps < history.count else { return jump(header, vp8, now) }

        var missing = 1
        while missing < steps {
            newestOutgoing &+= 1
            let source = UInt16(truncatingIfNeeded: newestSource &+ Int64(missing))
            history[Int(newestOutgoing)] = Record(source: source, era: era, pictureID: 0, layerIndex: 0, state: .hole)
            missing &+= 1
        }
        skips.advance(from: Int(newestSource), by: steps)
        newestSource = number
        guard isWanted else {
            skips.insert(Int(number))
            if let vp8, !isEmpty { _ = pictures.map(vp8, isWanted: false) }
            return .drop(.skipped)
        }
        newestOutgoing &+= 1
        return send(header, vp8, as: newestOutgoing, .sent, now)
    }

    /// A packet that is not newer than the newest.
    private mutating func rewriteLate(
        _ header: RTPHeader, _ vp8: VP8Descriptor?, _ number: Int64, _ isWanted: Bool, _ now: Instant
    ) -> Rewriting {
        guard number >= firstSource else { return .drop(.beforeSwitch) }
        let behind = Int(newestSource &- number)
        guard behind < SkipWindow.reach else { return .drop(.tooLate) }
        guard !skips.contains(Int(number)) else { return .drop(.skipped) }
        let skipped = skips.count(after: Int(number), upTo: Int(newestSource))
        let outgoing = newestOutgoing &- Int64(behind &- skipped)
        guard newestOutgoing &- outgoing < history.count else { return .drop(.tooLate) }
        guard history[Int(outgoing)].state == .hole else { return .drop(.duplicate) }
        guard isWanted else {
            history[Int(outgoing)].state = .filled
            let filling = filling(outgoing, currentEra, timestamp: header.timestamp)
            advance(to: filling.timestamp, now)
            return .fill(filling)
        }
        return send(header, vp8, as: outgoing, .sent, now)
    }

    /// The first packet of a source.
    private mutating func begin(_ header: RTPHeader, _ vp8: VP8Descriptor?, _ equivalent: RTPTimestamp?, _ now: Instant)
        -> Rewriting
    {
        if history.count < historyCount { history = RecordSlab(count: historyCount, repeating: Self.blank) }
        let timestamp = nextTimestamp(equivalent, now)
        pending = nil
        isActive = true
        era &+= 1
        eras[Int(era & 7)] = Era(
            source: header.ssrc, timestampOffset: timestamp.rawValue &- header.timestamp.rawValue,
            lastTimestamp: timestamp, hasPictures: vp8 != nil)
        newestSource = 0x1_0000 + Int64(header.sequenceNumber.rawValue)
        firstSource = newestSource
        skips = SkipWindow()
        if let vp8 { pictures.begin(vp8) }
        newestOutgoing &+= 1
        if !keepsHistory { firstAnswerable = newestOutgoing }
        return send(header, vp8, as: newestOutgoing, codec.isVideo ? .sent : .sentFirst, now)
    }

    /// The timestamp that a new source begins with: later than all before, by the time that has passed.
    private borrowing func nextTimestamp(_ equivalent: RTPTimestamp?, _ now: Instant) -> RTPTimestamp {
        guard lastChange != nil else { return lastTimestamp }
        let byClock = timestamp(at: now)
        if let equivalent, isActive {
            let exact = RTPTimestamp(rawValue: equivalent.rawValue &+ currentEra.timestampOffset)
            // Half a second apart from the clock, the reports that it was made from are wrong.
            let error = byClock.distance(to: exact)
            if lastTimestamp.distance(to: exact) > 0, abs(error) < Int(codec.clockRate / 2) { return exact }
        }
        return lastTimestamp.distance(to: byClock) > 0 ? byClock : lastTimestamp.advanced(by: 1)
    }

    /// A source that goes on elsewhere: sound may begin anew at once, pictures only with a key frame.
    private mutating func jump(_ header: RTPHeader, _ vp8: VP8Descriptor?, _ now: Instant) -> Rewriting {
        guard codec.isVideo else {
            guard header.payloadByteCount > 0 else { return .drop(.skipped) }
            keepsHistory = false
            return begin(header, vp8, nil, now)
        }
        isActive = false
        return .drop(.sourceJumped)
    }

    private mutating func send(
        _ header: RTPHeader, _ vp8: VP8Descriptor?, as number: Int64, _ state: Record.State, _ now: Instant
    ) -> Rewriting {
        let offset = currentEra.timestampOffset
        var outgoing = OutgoingRTP(
            marker: header.marker || state == .sentFirst, payloadType: header.payloadType,
            sequenceNumber: SequenceNumber(rawValue: UInt16(truncatingIfNeeded: number)),
            timestamp: RTPTimestamp(rawValue: header.timestamp.rawValue &+ offset), ssrc: ssrc)
        if let vp8 { outgoing.vp8 = pictures.map(vp8, isWanted: true) }
        history[Int(number)] = Record(
            source: header.sequenceNumber.rawValue, era: era, pictureID: outgoing.vp8?.pictureID ?? 0,
            layerIndex: outgoing.vp8?.tl0PictureIndex ?? 0, state: state)
        advance(to: outgoing.timestamp, now)
        packetCount &+= 1
        octetCount &+= UInt32(truncatingIfNeeded: header.payloadByteCount)
        return .forward(outgoing)
    }

    private mutating func advance(to timestamp: RTPTimestamp, _ now: Instant) {
        guard lastChange == nil || lastTimestamp.distance(to: timestamp) > 0 else { return }
        lastTimestamp = timestamp
        lastChange = now
        eras[Int(era & 7)].lastTimestamp = timestamp
    }

    /// How a receiver's wish for a lost packet can be met. Meet it by RTX only: a number that is sealed twice with
    /// different bytes gives away the key stream.
    public mutating func retransmission(of number: SequenceNumber) -> Retransmission {
        let steps = SequenceNumber(rawValue: UInt16(truncatingIfNeeded: newestOutgoing)).distance(to: number)
        let outgoing = newestOutgoing &+ Int64(steps)
        guard steps <= 0, -steps < history.count, outgoing >= firstAnswerable else { return .gone }
        let record = history[Int(outgoing)]
        guard era &- record.era < 8 else { return .gone }
        let its = eras[Int(record.era & 7)]
        switch record.state {
        case .hole:
            if record.era == era, isActive { return .notYet }
            // Its source is not shown any more, so it will never come.
            history[Int(outgoing)].state = .filled
            return .fill(filling(outgoing, its, timestamp: nil))
        case .filled: return .fill(filling(outgoing, its, timestamp: nil))
        case .sent, .sentFirst:
            return .packet(
                PacketOrigin(
                    source: its.source, sequenceNumber: SequenceNumber(rawValue: record.source), outgoingSSRC: ssrc,
                    outgoingNumber: number, timestampOffset: its.timestampOffset,
                    vp8: its.hasPictures
                        ? VP8Continuation(pictureID: record.pictureID, tl0PictureIndex: record.layerIndex) : nil,
                    isFirstOfSound: record.state == .sentFirst))
        }
    }

    /// What padding with a number says; without a timestamp of its source, that of the last packet of its time.
    private borrowing func filling(_ number: Int64, _ era: Era, timestamp: RTPTimestamp?) -> OutgoingRTP {
        OutgoingRTP(
            marker: false, payloadType: PayloadType(rawValue: 0),
            sequenceNumber: SequenceNumber(rawValue: UInt16(truncatingIfNeeded: number)),
            timestamp: timestamp.map { RTPTimestamp(rawValue: $0.rawValue &+ era.timestampOffset) }
                ?? era.lastTimestamp, ssrc: ssrc)
    }

    private var currentEra: Era { eras[Int(era & 7)] }

    /// The outgoing timestamp of a moment, by the clock: the last one, and the time since.
    public borrowing func timestamp(at now: Instant) -> RTPTimestamp {
        guard let lastChange, lastChange < now else { return lastTimestamp }
        return lastTimestamp.advanced(by: now - lastChange, clockRate: codec.clockRate)
    }

    /// What a timestamp of the source that is shown becomes; nil if none is.
    public borrowing func outgoingTimestamp(_ timestamp: RTPTimestamp) -> RTPTimestamp? {
        isActive ? RTPTimestamp(rawValue: timestamp.rawValue &+ currentEra.timestampOffset) : nil
    }
}
