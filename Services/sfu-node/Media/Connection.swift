import CongestionControl
import DTLS
import ICE
import MediaInterface
import RTP
import SDP
import SRTP
import Time

/// One member's connection: its protocol machines, what it publishes and what it is sent.
struct Connection: ~Copyable {
    /// Who it is.
    let member: MediaMember
    /// The room, by its number in the lane.
    let room: Int
    /// Our own source of reports.
    let reportSSRC: SSRC

    // MARK: The transport

    var ice: ICELiteAgent
    var dtls: DTLSConnection
    /// Both stand once DTLS does.
    var opener: SRTPOpener?
    var sealer: SRTPSealer?
    /// Under which this connection is known in the lane's tables.
    var ufrags: [ICEUfrag] = []
    var paths: [ICEPath] = []
    /// Where packets go.
    var path: ICEPath?

    // MARK: What was agreed

    var session: NegotiatedSession
    /// Of the newest offer, and of the newest answer that the client applied.
    var number: UInt64
    var appliedNumber: UInt64 = 0
    var maySend: Bool
    /// Header extensions as this client numbers them. BUNDLE makes them one numbering (RFC 8843 §9.2).
    var extensions: HeaderExtensionMap
    var published: [MediaTrack] = []
    /// What the client shows; nil until it says so.
    var tiles: [MediaTile]?

    // MARK: What goes through it

    /// Numbers in the lane's slabs.
    var sources: [Int] = []
    var slots: [Int] = []
    /// Sources of its packets that were learned, so that they can be forgotten.
    var ssrcs: [SSRC] = []
    var mapVersion: UInt64 = 0
    var slotsWanted = 0
    var mapped: [MediaSlot] = []

    /// Bytes since the room's totals were added up.
    var receivedBytes: UInt64 = 0
    var sentBytes: UInt64 = 0
    /// What is told of its link.
    var link: LinkMeter

    // MARK: Reports and estimates

    var clock = PublisherClock()
    var arrivals: TransportFeedbackBuilder
    var feedbackAt: Instant
    var reportAt: Instant
    /// When the first of its slots owes a report. A slot that shows something new sets it back.
    var slotsReportAt = Instant.zero
    var downlink: Downlink
    var quality = MediaQuality(paused: [], layers: [], downBitsPerSecond: 0)
    var lastFIR: [SSRC: UInt8] = [:]
    /// What may be sent again: one report can ask for thousands of packets.
    var repairs: Pacer
    private var beginnings = 0
    private var beginningsSince = Instant.zero

    init(
        _ setup: ConnectionSetup, room: Int, reportSSRC: SSRC, dtls: consuming DTLSConnection, now: Instant
    ) {
        member = setup.member
        self.room = room
        self.reportSSRC = reportSSRC
        ice = ICELiteAgent(local: setup.localICE, remote: setup.remoteICE, now: now)
        self.dtls = dtls
        session = setup.session
        number = setup.number
        maySend = setup.maySend
        extensions = HeaderExtensionMap()
        arrivals = TransportFeedbackBuilder()
        feedbackAt = now
        reportAt = now
        link = LinkMeter(now: now)
        downlink = Downlink(now: now)
        repairs = Pacer(rate: .megabitsPerSecond(1), burst: .milliseconds(300), now: now)
    }

    /// Whether another stream of packets may begin: 32 at once, as many again every ten seconds.
    mutating func mayBegin(_ now: Instant) -> Bool {
        if now - beginningsSince > .seconds(10) {
            beginningsSince = now
            beginnings = 0
        }
        beginnings += 1
        return beginnings <= 32
    }

    /// Packets may be sent: DTLS stands, there is a way, and the client applied an answer.
    var isOpen: Bool { sealer != nil && path != nil && appliedNumber > 0 }
}
