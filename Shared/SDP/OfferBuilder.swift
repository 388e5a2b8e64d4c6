/// Makes offers like a browser's, for clients that are none: the load client, and tests.
public struct OfferBuilder: Sendable {
    /// The client's side of the transport. New ICE credentials restart ICE with the next offer.
    public var local: LocalTransport
    /// Ids of header extensions, the same in all m-lines.
    public let extensions: [ExtensionKind: UInt8]
    private let sessionID: UInt64
    private var version: UInt64 = 1
    private var media: [MediaDescription] = []

    /// Extension ids as Chromium 156 numbers them.
    public static let chromiumExtensions: [ExtensionKind: UInt8] = [
        .audioLevel: 1, .absoluteSendTime: 2, .transportSequenceNumber: 3, .mid: 4, .playoutDelay: 5,
        .videoLayersAllocation: 9, .rid: 10, .repairedRID: 11, .dependencyDescriptor: 12, .videoOrientation: 13,
        .transmissionOffset: 14,
    ]

    /// A builder without m-lines.
    public init(
        local: LocalTransport, sessionID: UInt64, extensions: [ExtensionKind: UInt8] = OfferBuilder.chromiumExtensions
    ) {
        self.local = local
        self.sessionID = sessionID
        self.extensions = extensions
    }

    /// Adds sound that is sent; gives the mid.
    public mutating func sendAudio(ssrc: UInt32, cname: String, stream: String) -> String {
        var section = section(.audio, [.opus, .red], .sendonly)
        section.streams = [MediaStreamID(stream: stream, track: "audio")]
        section.sources = [SourceDescription(ssrc: ssrc, cname: cname, stream: section.streams[0])]
        return add(section)
    }

    /// Adds a single video that is sent; gives the mid.
    public mutating func sendVideo(
        codecs: [CodecKind] = [.vp8], ssrc: UInt32, rtx: UInt32, cname: String, stream: String
    ) -> String {
        var section = section(.video, codecs, .sendonly)
        section.streams = [MediaStreamID(stream: stream, track: "video")]
        section.sourceGroups = [SourceGroup(semantics: "FID", ssrcs: [ssrc, rtx])]
        section.sources = [ssrc, rtx].map { SourceDescription(ssrc: $0, cname: cname, stream: section.streams[0]) }
        return add(section)
    }

    /// Adds a simulcast video that is sent, layers told by rid; gives the mid.
    public mutating func sendVideo(codecs: [CodecKind] = [.vp8], rids: [String], stream: String) -> String {
        var section = section(.video, codecs, .sendonly)
        section.streams = [MediaStreamID(stream: stream, track: "video")]
        section.rids = rids.map { RIDDescription(id: $0, direction: .send) }
        section.simulcast = SimulcastDescription(send: rids.map { [.init(rid: $0)] })
        return add(section)
    }

    /// Adds the m-line of data channels; gives the mid.
    public mutating func dataChannel() -> String {
        var section = MediaDescription(
            kind: .application, port: 9, protocolName: "UDP/DTLS/SCTP", formats: ["webrtc-datachannel"])
        section.sctpPort = 5_000
        section.maxMessageSize = 262_144
        return add(section)
    }

    /// Adds receive-only m-lines, those of sound first; gives their mids.
    public mutating func addSlots(audio: Int, video: Int, codecs: [CodecKind] = [.vp8]) -> [String] {
        var mids: [String] = []
        for _ in 0..<audio { mids.append(add(section(.audio, [.opus, .red], .recvonly))) }
        for _ in 0..<video { mids.append(add(section(.video, codecs, .recvonly))) }
        return mids
    }

    /// The offer with all that was added so far. Each has the next version.
    public mutating func offer() -> SessionDescription {
        version += 1
        var offer = SessionDescription(sessionID: sessionID, version: version)
        offer.allowsMixedExtensions = true
        offer.bundles = [media.compactMap(\.mid)]
        offer.media = media
        let transport = TransportAttributes(
            ice: local.ice, iceOptions: ["trickle"], fingerprints: local.fingerprints, setup: .actpass)
        for index in offer.media.indices { offer.media[index].transport = transport }
        if !offer.media.isEmpty { offer.media[0].candidates = local.candidates }
        return offer
    }

    private mutating func add(_ section: MediaDescription) -> String {
        let mid = String(media.count)
        media.append(section)
        media[media.count - 1].mid = mid
        return mid
    }

    private func section(_ kind: MediaKind, _ codecs: [CodecKind], _ direction: MediaDirection) -> MediaDescription {
        var section = MediaDescription(kind: kind, port: 9, protocolName: "UDP/TLS/RTP/SAVPF")
        section.direction = direction
        section.isRTCPMultiplexed = true
        section.isRTCPReducedSize = true
        section.extensions = extensions.sorted { $0.value < $1.value }
            .filter { (kind == .audio ? Self.audioExtensions : Self.videoExtensions).contains($0.key) }
            .map { ExtensionMapping(id: UInt16($0.value), uri: $0.key.uri) }
        for codec in codecs { section.add(codec) }
        return section
    }

    private static let audioExtensions: Set<ExtensionKind> = [
        .audioLevel, .absoluteSendTime, .transportSequenceNumber, .mid, .absoluteCaptureTime,
    ]
    private static let videoExtensions = Set(ExtensionKind.allCases).subtracting([.audioLevel])
}

extension MediaDescription {
    /// Adds a codec, and the RTX of video, with the payload types of Chromium 156.
    fileprivate mutating func add(_ codec: CodecKind) {
        guard !codec.isAudio else {
            let parameters = codec == .opus ? "minptime=10;useinbandfec=1" : "111/111"
            append(
                CodecDescription(
                    payloadType: codec == .opus ? 111 : 63, name: codec.name, clockRate: 48_000, channels: 2,
                    parameters: FormatParameters(parameters), feedback: codec == .opus ? ["transport-cc"] : []))
            return
        }
        let (type, parameters): (UInt8, String) =
            switch codec {
            case .vp9: (98, "profile-id=0")
            case .h264: (108, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")
            case .av1: (45, "level-idx=5;profile=0;tier=0")
            case .vp8, .opus, .red: (96, "")
            }
        append(
            CodecDescription(
                payloadType: type, name: codec.name, clockRate: 90_000, parameters: FormatParameters(parameters),
                feedback: Feedback.values.map(\.1)))
        append(
            CodecDescription(
                payloadType: type + 1, name: "rtx", clockRate: 90_000, parameters: FormatParameters("apt=\(type)")))
    }
}
