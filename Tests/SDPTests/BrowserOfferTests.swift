import SDP
import Testing

/// Offers of real browsers, and what the node's answers to them say.
struct BrowserOfferTests {
    static let all =
        ["chromium-156", "firefox-153"].flatMap { browser in
            ["unlimited", "first", "grown", "restart"].map { "\(browser)-\($0)" }
        } + ["aiortc-1.16-first"]

    @Test(arguments: all)
    func `what was read is written, and read again the same`(name: String) throws {
        let parsed = try SessionDescription(parsing: offer(name))
        let again = try SessionDescription(parsing: parsed.text)
        #expect(again == parsed)
        #expect(again.text == parsed.text)
    }

    @Test(arguments: all)
    func `an answer has the m-lines of the offer in their order, with its mids`(name: String) throws {
        let offer = try SessionDescription(parsing: offer(name))
        var node = TestNode()
        let answer = try SessionDescription(parsing: node.answer(offer).text)

        #expect(answer.media.map(\.mid) == offer.media.map(\.mid))
        #expect(answer.media.map(\.kind) == offer.media.map(\.kind))
        #expect(answer.bundles == [answer.media.filter { $0.port != 0 }.compactMap(\.mid)])
        #expect(answer.isICELite)
        #expect(answer.transport.setup == .passive)
        #expect(answer.transport.fingerprints == transport().fingerprints)
        #expect(answer.media[0].candidates == transport().candidates)
        #expect(answer.media[0].hasEndOfCandidates)
        for (ours, theirs) in zip(answer.media, offer.media) {
            guard ours.port != 0 else {
                #expect(ours.kind == .application)
                continue
            }
            #expect(ours.direction == theirs.direction.reversed)
            #expect(ours.transport.ice == transport().ice)
            #expect(ours.isRTCPMultiplexed)
            #expect(ours.isRTCPReducedSize == theirs.isRTCPReducedSize)
            #expect(Set(ours.formats).isSubset(of: theirs.formats))
            // Ids as the offer has them, directions turned round.
            for mapping in ours.extensions {
                #expect(
                    theirs.extensions.contains(
                        .init(id: mapping.id, direction: mapping.direction?.reversed, uri: mapping.uri)))
            }
        }
    }

    @Test func `Chromium publishes simulcast, told by rids`() throws {
        var node = TestNode()
        let answer = try node.answer(offer("chromium-156-unlimited"))
        let camera = answer.session.media[1]

        #expect(camera.role == .publish)
        #expect(camera.rids.map(\.rid) == ["h", "m", "l"])
        #expect(camera.sources == [])
        #expect(camera.codecs.map(\.kind) == [.vp8, .vp9, .h264, .av1])
        #expect(camera.codecs.map(\.payloadType) == [96, 98, 108, 45])
        #expect(camera.codecs.map(\.rtxPayloadType) == [97, 99, 109, 46])
        #expect(camera.codecs.allSatisfy { $0.feedback == [.nack, .pli, .fir, .transportCC, .remb] })
        #expect(camera.extensions[.transportSequenceNumber] == 3)
        #expect(camera.extensions[.mid] == 4)
        #expect(camera.extensions[.rid] == 10)
        #expect(camera.extensions[.dependencyDescriptor] == 12)
        #expect(camera.extensions.kind(of: 11) == .repairedRID)
        #expect(camera.extensions.kind(of: 7) == nil)
        #expect(answer.description.media[1].rids == ["h", "m", "l"].map { RIDDescription(id: $0, direction: .recv) })
        #expect(answer.description.media[1].simulcast?.recv.map { $0.map(\.rid) } == [["h"], ["m"], ["l"]])

        let microphone = answer.session.media[0]
        #expect(microphone.codecs.map(\.kind) == [.opus, .red])
        #expect(microphone.sources.count == 1)
        #expect(microphone.codec(payloadType: 63)?.codec.kind == .red)
        #expect(camera.codec(payloadType: 109)?.isRTX == true)
    }

    @Test func `Firefox publishes simulcast with its sources, and has other ids`() throws {
        var node = TestNode()
        let answer = try node.answer(offer("firefox-153-unlimited"))
        let camera = answer.session.media[1]

        #expect(camera.rids.map(\.rid) == ["h", "m", "l"])
        #expect(camera.sources.count == 3)
        #expect(camera.sources.allSatisfy { $0.rtx != nil && $0.cname != nil })
        #expect(camera.codecs.map(\.kind) == [.vp8, .vp9, .av1])
        #expect(camera.codecs.map(\.payloadType) == [120, 121, 99])
        #expect(camera.codecs.map(\.rtxPayloadType) == [124, 125, 100])
        #expect(camera.extensions[.mid] == 3)
        #expect(camera.extensions[.transportSequenceNumber] == 7)
        #expect(camera.extensions[.dependencyDescriptor] == 8)
        // It only receives this one (`/recvonly`).
        #expect(camera.extensions[.playoutDelay] == 0)

        let slot = try #require(answer.session.media.first { $0.role == .slot && $0.kind == .video })
        // And these it only sends.
        #expect(slot.extensions[.dependencyDescriptor] == 0)
        #expect(slot.extensions[.rid] == 0)
        #expect(slot.extensions[.playoutDelay] == 6)
    }

    @Test func `aiortc has no transport-wide feedback and no simulcast, and declares all its sources`() throws {
        var node = TestNode()
        let session = try node.answer(offer("aiortc-1.16-first")).session

        #expect(session.publishing.map { $0.codecs.map(\.kind) } == [[.opus], [.vp8, .h264]])
        #expect(session.media[1].codecs.map(\.feedback) == [[.nack, .pli, .remb], [.nack, .pli, .remb]])
        #expect(session.media[1].rids == [])
        #expect(session.media[1].sources.count == 1 && session.media[1].sources[0].rtx != nil)
        #expect(session.media[1].extensions[.transportSequenceNumber] == 0)
        #expect(session.slots.count == 5)
        #expect(session.remoteFingerprints.map(\.hash) == ["sha-256", "sha-384", "sha-512"])
    }

    @Test(arguments: ["chromium-156", "firefox-153"])
    func `slots are declared with source, RTX, cname and msid, and pairs share cname and stream`(browser: String) throws
    {
        var node = TestNode()
        let answer = try node.answer(offer("\(browser)-first"))
        let audio = answer.session.slots.filter { $0.kind == .audio }
        let video = answer.session.slots.filter { $0.kind == .video }

        #expect(audio.map(\.ordinal) == Array(0..<8))
        #expect(video.map(\.ordinal) == Array(0..<4))
        for (sound, picture) in zip(audio, video) {
            #expect(sound.slot?.stream == picture.slot?.stream)
            #expect(sound.slot?.cname == picture.slot?.cname)
        }
        let declared = answer.description.media[video[1].index]
        let slot = try #require(video[1].slot)
        let rtx = try #require(slot.rtx)
        let stream = MediaStreamID(stream: "slot-1", track: "video-1")
        #expect(declared.direction == .sendonly)
        #expect(declared.streams == [stream])
        #expect(declared.sourceGroups == [SourceGroup(semantics: "FID", ssrcs: [slot.ssrc, rtx])])
        #expect(
            declared.sources == [slot.ssrc, rtx].map { SourceDescription(ssrc: $0, cname: "slot-1", stream: stream) })
        #expect(answer.description.media[audio[0].index].sourceGroups == [])
    }

    @Test(arguments: ["chromium-156", "firefox-153"])
    func `a connection grows and restarts ICE, and its slots keep their sources`(browser: String) throws {
        var node = TestNode()
        let first = try node.answer(offer("\(browser)-first"))
        let second = try SessionDescription(parsing: offer("\(browser)-grown"))
        #expect(second.relation(to: first.session) == .renegotiation)
        let grown = try node.answer(second)
        #expect(node.requests.map(\.ordinal) == [4, 5, 6, 7, 8])
        let third = try SessionDescription(parsing: offer("\(browser)-restart"))
        #expect(third.relation(to: grown.session) == .iceRestart)
        let restarted = try node.answer(third, ufrag: "again")
        #expect(node.requests.isEmpty)

        #expect(Array(grown.session.slots.prefix(12).map(\.slot)) == first.session.slots.map(\.slot))
        #expect(restarted.session.slots == grown.session.slots)
        #expect(grown.session.slots.count == 17)
        #expect(grown.session.publishing.map(\.kind) == [.audio, .video, .video, .audio])
        #expect([first, grown, restarted].map(\.session.version) == [1, 2, 3])
        #expect(restarted.description.media[0].transport.ice?.ufrag == "again")
        #expect(
            try SessionDescription(parsing: offer("\(browser)-unlimited")).relation(to: grown.session) == .newConnection
        )
    }
}
