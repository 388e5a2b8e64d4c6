import MediaInterface
import RTP
import SDP
import Time

/// One thing a member sends: its microphone, its camera, … One m-line of its offer.
struct Source: ~Copyable {
    let connection: Int
    let mid: StreamLabel
    let isVideo: Bool
    /// What the client said it is; nil until then.
    var kind: MediaSource?
    var isMuted = false
    /// What a layer takes when it flows, by its place; 0: it never did.
    var usualRates: [Int]
    /// A host muted it: nothing goes on until its member muted it too, and unmutes it.
    var isSilenced = false
    /// Its layers, lowest first; one where there is no simulcast.
    var tracks: [Int] = []
    /// The client's names of them in the order of its offer: the lowest first.
    let rids: [StreamLabel]
    /// Slots that show it.
    var subscribers: [Int] = []
    /// Layers the client was told to send, by name; nil: it was told nothing yet.
    var activeLayers: [String]?
    /// A layer is paused only after nobody took it for a while.
    var layersShrinkAt: Instant?

    init(connection: Int, mid: StreamLabel, isVideo: Bool, rids: [StreamLabel]) {
        self.connection = connection
        self.mid = mid
        self.isVideo = isVideo
        self.rids = rids
        usualRates = Array(repeating: 0, count: max(1, rids.count))
    }

    /// How many layers it has.
    var layerCount: Int { max(1, rids.count) }

    /// A layer's place among them, the lowest 0.
    func place(of rid: StreamLabel?) -> Int { rid.flatMap { rids.firstIndex(of: $0) } ?? 0 }

    /// What the pictures of a layer usually measure: the best 720 lines, each below half of it.
    func usualSize(of place: Int) -> (width: Int, height: Int) {
        let halvings = max(0, layerCount - 1 - place)
        return (1_280 >> halvings, 720 >> halvings)
    }
}

/// One stream of packets that a member sends: a source's only one, or one of its layers.
struct Track: ~Copyable {
    let source: Int
    let connection: Int
    let ssrc: SSRC
    let rid: StreamLabel?
    let isVideo: Bool
    let clockRate: UInt32
    var codec: MediaCodec
    var payloadType: PayloadType
    /// What its packets say where they carry earlier sound too (RED); nil: not agreed on.
    let red: PayloadType?
    /// Its repair stream, once known.
    var rtx: SSRC?

    var statistics: ReceptionStatistics
    var losses: LossDetector?
    var ring: PacketRing?
    var clock: SenderReportClock
    var rate = RateMeter()
    var lastPacketAt: Instant
    /// Since when packets have come without a pause.
    var flowsSince: Instant
    /// Of its pictures; what such a layer usually has until a key frame tells.
    var width: Int
    var height: Int

    /// When a key frame was asked for last, and whether one is still awaited.
    var keyFrameAskedAt: Instant?
    var needsKeyFrame = false

    /// Whether packets come: a layer that nobody takes is paused, and a browser that must save leaves out the highest.
    func flows(_ now: Instant) -> Bool { now - lastPacketAt < .seconds(1) }

    /// Whether its meter says what it takes: it flows for as long as that looks back, and did not stop just now.
    func isSteady(_ now: Instant) -> Bool {
        now - flowsSince > .milliseconds(1_200) && now - lastPacketAt < .milliseconds(rid == nil ? 1_000 : 200)
    }
}

/// A receive-only m-line of a client: what it is sent there changes, its SSRC, sequence numbers and times go on.
struct Slot: ~Copyable {
    /// How one codec is numbered here.
    struct Codec {
        var codec: MediaCodec
        var payloadType: PayloadType
        var rtxPayloadType: PayloadType?
    }

    let connection: Int
    /// Of the offer that brought it: before the client applied the answer, it would drop what is sent there.
    let number: UInt64
    let mid: String
    let ordinal: Int
    let isVideo: Bool
    let ssrc: SSRC
    let cname: [UInt8]
    var codecs: [Codec]
    /// The number of Opus with earlier sound beside it (RED); nil: its receiver does not take that.
    let red: PayloadType?
    var extensions: ReceiverExtensions
    var rewriter: StreamRewriter
    var rtx: RTXStream?

    /// What it shows: a source's number; nil: nothing.
    var source: Int?
    /// The track whose packets it forwards, and the one it is about to.
    var current: Int?
    var target: Int?
    /// The layer that suits it, by its place; it may not flow, and is asked of the sender then.
    var wish: Int?
    /// Why nothing is sent though there is something to show.
    var pause: MediaPauseReason?
    var width = 0
    var height = 0

    var reportAt: Instant
    /// Key frames that its receiver asked for, and those that wait until it may again.
    var wishes = KeyFrameWishes()

    /// Whether its packets are told of in transport-wide feedback: a number that the client did not agree on here would look lost.
    @inline(__always)
    var isNumbered: Bool { extensions.ids[.transportSequenceNumber] != nil }

    /// Asked for each packet: through a span, as a loop over the array would retain it.
    @inline(__always)
    func codec(_ codec: MediaCodec) -> Codec? {
        let codecs = codecs.span
        for index in codecs.indices where codecs[index].codec == codec { return codecs[index] }
        return nil
    }

    /// Whether its receiver takes sound that is wrapped as it came. The blocks name the sender's number of Opus, so it must be the receiver's too.
    @inline(__always)
    func takesRED(wrapping payloadType: PayloadType) -> Bool {
        red != nil && codec(.opus)?.payloadType == payloadType
    }
}

/// A room's part in a lane.
struct MediaRoomState: ~Copyable {
    let room: MediaRoom
    var connections: [Int] = []
    var speakers = SpeakerDetector()
    var speakersAt: Instant
    var toldLevels: [MediaLevel] = []
    var totals: RoomTotals
    /// Slots are to be given out anew.
    var needsMapping = false
}

/// Bits a second over about the last second, in buckets of 100 ms.
struct RateMeter {
    private static let bucket = Interval.milliseconds(100)

    private var buckets = SIMD16<UInt32>(repeating: 0)
    private var newest: Int64 = 0

    mutating func add(bytes: Int, now: Instant) {
        advance(now)
        buckets[Int(newest % 16)] &+= UInt32(truncatingIfNeeded: bytes)
    }

    /// 0 for a stream that stopped a second ago.
    mutating func bitsPerSecond(now: Instant) -> Int {
        advance(now)
        var bytes: UInt32 = 0
        // The newest bucket is not full yet.
        for age in 1...10 { bytes &+= buckets[Int((newest + 16 - Int64(age)) % 16)] }
        return Int(bytes) * 8
    }

    private mutating func advance(_ now: Instant) {
        let current = max(0, now.nanoseconds / RateMeter.bucket.nanoseconds)
        guard current > newest else { return }
        for number in (max(newest + 1, current - 15))...current { buckets[Int(number % 16)] = 0 }
        newest = current
    }
}
