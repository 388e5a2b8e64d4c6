internal import Bytes
public import Time

/// Arrival times of packets of a transport (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1), as a view.
public struct TransportFeedback: ~Escapable {
    /// The first packet that is spoken of.
    public let baseSequenceNumber: SequenceNumber
    /// How many packets, from that one on.
    public let packetCount: Int
    /// The receiver's clock in units of 64 ms, modulo 2^24: from it the arrivals count.
    public let referenceTime: UInt32
    /// The number of the feedback: a gap means that feedback was lost.
    public let feedbackCount: UInt8
    private let body: RawSpan
    private let deltaOffset: Int

    /// More packets than any transport here sends between two feedbacks; a hostile one could ask for 65,535 with 20 bytes.
    public static let packetLimit = 8192
    /// After this long the arrival times begin anew at zero: 12.4 days.
    public static let wrapAround = Interval.milliseconds(64 << 24)

    /// Checks all statuses and that each arrival has its delta.
    @_lifetime(copy body)
    init(_ body: RawSpan) throws(RTPError) {
        baseSequenceNumber = SequenceNumber(rawValue: body.uint16(at: 8))
        packetCount = Int(body.uint16(at: 10))
        referenceTime = body.uint32(at: 12) >> 8
        feedbackCount = body.uint8(at: 15)
        self.body = body
        guard packetCount > 0, packetCount <= TransportFeedback.packetLimit else {
            throw .malformed(.transportFeedback)
        }
        var chunks = StatusChunks(offset: 16, left: packetCount)
        var deltas = 0
        while chunks.left > 0 {
            guard let (status, count) = chunks.next(body), status != 3 else { throw .malformed(.transportFeedback) }
            deltas += Int(status) * count
        }
        deltaOffset = chunks.offset
        guard deltas <= body.byteCount - deltaOffset else { throw .malformed(.transportFeedback) }
    }

    /// Calls `visit` with each packet in order, and when it came, as the receiver's clock says; nil if it did not come.
    @inline(__always)
    public func forEach(_ visit: (SequenceNumber, Interval?) -> Void) {
        var chunks = StatusChunks(offset: 16, left: packetCount)
        var number = baseSequenceNumber
        var delta = deltaOffset
        // Quarter milliseconds.
        var time = Int64(referenceTime) * 256
        while chunks.left > 0, let (status, count) = chunks.next(body) {
            for _ in 0..<count {
                switch status {
                case 1:
                    time += Int64(body.uint8(at: delta))
                    delta += 1
                    visit(number, Interval(nanoseconds: time * 250_000))
                case 2:
                    time += Int64(Int16(bitPattern: body.uint16(at: delta)))
                    delta += 2
                    visit(number, Interval(nanoseconds: time * 250_000))
                default:
                    visit(number, nil)
                }
                number = number.advanced(by: 1)
            }
        }
    }
}

/// Goes through statuses of packets: 0 lost, 1 a small delta, 2 a large or negative one; a run at a time.
struct StatusChunks {
    /// Where the next chunk is.
    private(set) var offset: Int
    /// How many statuses are left.
    private(set) var left: Int
    private var vector: UInt16 = 0
    private var symbols = 0
    private var symbolBits: UInt16 = 1

    init(offset: Int, left: Int) {
        self.offset = offset
        self.left = left
    }

    /// The next run; nil if the chunks are cut or a run is empty.
    @inline(__always)
    mutating func next(_ body: RawSpan) -> (status: UInt16, count: Int)? {
        guard left > 0 else { return nil }
        if symbols == 0 {
            guard offset &+ 2 <= body.byteCount else { return nil }
            let chunk = body.uint16(at: offset)
            offset &+= 2
            guard chunk & 0x8000 != 0 else {
                let count = min(Int(chunk & 0x1fff), left)
                guard count > 0 else { return nil }
                left &-= count
                return (chunk >> 13 & 3, count)
            }
            symbolBits = chunk & 0x4000 == 0 ? 1 : 2
            symbols = chunk & 0x4000 == 0 ? 14 : 7
            vector = chunk << 2
        }
        let status = vector >> (16 &- symbolBits)
        vector <<= symbolBits
        symbols &-= 1
        left &-= 1
        return (status, 1)
    }
}

extension RTCPPacket {
    /// The arrivals of a transport-wide feedback; nil for another kind. Throws if statuses or deltas are cut.
    @_lifetime(copy self)
    public func transportFeedback() throws(RTPError) -> TransportFeedback? {
        guard kind == .transportWide else { return nil }
        return try TransportFeedback(body)
    }
}
