import SDP
import Testing

/// Rules of answering, by offers that are made here.
struct NegotiatorTests {
    func builder() -> OfferBuilder {
        OfferBuilder(
            local: LocalTransport(
                ice: ICECredentials(ufrag: "client", password: "abcdefghijkl0123456789"),
                fingerprints: [Fingerprint(hash: "sha-256", bytes: Array(32..<64))], candidates: []), sessionID: 5)
    }

    /// A member of a room as the load client is one.
    func member() -> SessionDescription {
        var builder = builder()
        _ = builder.sendAudio(ssrc: 1, cname: "c", stream: "s")
        _ = builder.sendVideo(codecs: [.vp8, .vp9, .h264, .av1], rids: ["h", "m", "l"], stream: "s")
        _ = builder.dataChannel()
        _ = builder.addSlots(audio: 2, video: 3)
        return builder.offer()
    }

    /// The error of answering, nil if there is none.
    func refusal(_ offer: SessionDescription, after first: SessionDescription? = nil) throws -> NegotiationError? {
        var node = TestNode()
        if let first { _ = try node.answer(first) }
        do throws(NegotiationError) {
            _ = try node.answer(offer)
            return nil
        } catch {
            return error
        }
    }

    @Test func `a client that is no browser reads what the node agreed to`() throws {
        let offer = member()
        var node = TestNode()
        let answer = try node.answer(offer)
        let client = try AnsweredSession(offer: offer, answer: SessionDescription(parsing: answer.text))

        #expect(client.remoteICE == transport().ice)
        #expect(client.remoteFingerprints == transport().fingerprints)
        #expect(client.setup == .passive)
        #expect(client.candidates == transport().candidates)
        #expect(client.isICELite)
        #expect(client.media.map(\.role) == answer.session.media.map(\.role))
        #expect(client.media.map(\.mid) == answer.session.media.map(\.mid))
        #expect(
            client.media.map { $0.codecs.map(\.payloadType) }
                == answer.session.media.map { $0.codecs.map(\.payloadType) })
        #expect(
            client.media.map { $0.codecs.map(\.rtxPayloadType) }
                == answer.session.media.map { $0.codecs.map(\.rtxPayloadType) })
        #expect(client.media.map(\.extensions) == answer.session.media.map(\.extensions))
        #expect(client[mid: "1"]?.rids.map(\.rid) == ["h", "m", "l"])
        for slot in answer.session.slots {
            #expect(client[mid: slot.mid]?.sources.first?.ssrc == slot.slot?.ssrc)
            #expect(client[mid: slot.mid]?.sources.first?.rtx == slot.slot?.rtx)
        }
        #expect(answer.session[mid: "0"]?.sources == [DeclaredSource(ssrc: 1, cname: "c")])
    }

    @Test func `an m-line of no use is refused with port 0 and keeps its name`() throws {
        var offer = member()
        offer.media[0].isRTCPMultiplexed = false
        offer.media[3].kind = .other("text")
        offer.media[5].codecs.removeAll()
        offer.media[6].protocolName = "RTP/AVP"
        offer.bundles[0].removeAll { $0 == "7" }
        var node = TestNode()
        let answer = try node.answer(offer)

        #expect(
            answer.session.media.map(\.role) == [
                .rejected, .publish, .application, .rejected, .slot, .rejected, .rejected, .rejected,
            ])
        #expect(answer.description.bundles == [["1", "4"]])
        #expect(answer.description.media.map { $0.port == 0 } == [true, false, true, true, false, true, true, true])
        #expect(answer.description.media.map(\.mid) == offer.media.map(\.mid))
        // What belongs to the bundle moves to its first m-line in use.
        #expect(answer.description.media[1].candidates == transport().candidates)
        #expect(answer.description.media[0].candidates == [])
    }

    @Test func `a publisher that pauses is answered inactive, and is the same publisher when it comes back`() throws {
        let first = member()
        var paused = first
        paused.media[1].direction = .inactive
        paused.media[4].direction = .inactive
        var node = TestNode()
        let before = try node.answer(first)
        let during = try node.answer(paused)
        let after = try node.answer(first)

        #expect(during.session.media[1].role == .publish)
        #expect(!during.session.media[1].isActive)
        #expect(during.description.media[1].direction == .inactive)
        #expect(during.session.media[4].slot == before.session.media[4].slot)
        #expect(during.description.media[4].direction == .inactive)
        #expect(after.session.media == before.session.media)
    }

    @Test func `roles last: a slot whose client wants to send goes on receiving, a publisher does not become a slot`()
        throws
    {
        let first = member()
        var turned = first
        turned.media[4].direction = .sendrecv
        turned.media[1].direction = .recvonly
        var node = TestNode()
        _ = try node.answer(first)
        let answer = try node.answer(turned)
        #expect(answer.session.media[4].role == .slot)
        #expect(answer.description.media[4].direction == .sendonly)
        #expect(answer.session.media[1].role == .publish)
        #expect(answer.description.media[1].direction == .inactive)
    }

    @Test func `a stopped m-line may be used again for another one, as may a refused one`() throws {
        let first = member()
        var stopped = first
        stopped.media[7].port = 0
        stopped.media[7].direction = .inactive
        var again = first
        again.media[7].mid = "new"
        again.media[2] = first.media[6]
        again.media[2].mid = "newer"
        again.bundles = [again.media.compactMap(\.mid)]
        var node = TestNode()
        let before = try node.answer(first)
        #expect(try node.answer(stopped).session.media[7].role == .rejected)
        let answer = try node.answer(again)
        #expect(answer.session.media[7].role == .slot)
        #expect(answer.session.media[7].slot != before.session.media[7].slot)
        #expect(answer.session.media[2].role == .slot)
        #expect(Set(answer.session.slots.filter { $0.kind == .video }.map(\.ordinal)).count == 4)
    }

    @Test func `what cannot be answered is told by its reason`() throws {
        let first = member()
        func changed(_ change: (inout SessionDescription) -> Void) -> SessionDescription {
            var offer = first
            change(&offer)
            return offer
        }
        #expect(try refusal(changed { $0.media = [] }) == .noMedia)
        #expect(try refusal(changed { $0.media[1].mid = nil }) == .noMid(index: 1))
        #expect(try refusal(changed { $0.media[1].mid = String(repeating: "x", count: 17) }) == .noMid(index: 1))
        #expect(try refusal(changed { $0.media[1].mid = "0" }) == .duplicateMid("0"))
        #expect(try refusal(changed { $0.bundles = [] }) == .noBundle)
        #expect(try refusal(changed { $0.bundles = [["2"]] }) == .noBundle)
        #expect(
            try refusal(changed { for index in $0.media.indices { $0.media[index].transport.ice = nil } })
                == .noICECredentials)
        #expect(try refusal(changed { $0.media[0].transport.ice?.password = "short" }) == .noICECredentials)
        #expect(
            try refusal(
                changed { for index in $0.media.indices { $0.media[index].transport.fingerprints[0].hash = "sha-1" } })
                == .noFingerprint)
        #expect(try refusal(changed { $0.media[0].transport.setup = .passive }) == .cannotBePassive)
        #expect(try refusal(changed { $0.media.removeLast() }, after: first) == .mediaRemoved(had: 8, has: 7))
        #expect(
            try refusal(
                changed {
                    $0.media[4].mid = "other"; $0.bundles[0].append("other")
                }, after: first) == .mediaChanged(mid: "4"))
        #expect(try refusal(first, after: first) == nil)
    }

    @Test func `caps: slots and publishers beyond them are refused`() throws {
        var capabilities = NodeCapabilities()
        capabilities.maximumAudioSlots = 1
        capabilities.maximumVideoSlots = 2
        capabilities.maximumLayers = 2
        var node = TestNode(Negotiator(capabilities: capabilities))
        let answer = try node.answer(member())
        #expect(
            answer.session.media.map(\.role) == [
                .publish, .publish, .application, .slot, .rejected, .slot, .slot, .rejected,
            ])
        #expect(answer.session.media[1].rids.map(\.rid) == ["h", "m"])
        // The same with what is there already.
        #expect(try node.answer(member()).session.media == answer.session.media)
    }

    @Test func `ids beyond the one-byte form are agreed on with who takes mixed forms, 15 with nobody`() throws {
        for isMixed in [true, false] {
            var offer = member()
            offer.allowsMixedExtensions = false
            for index in offer.media.indices {
                // Said for the m-line, not for all.
                offer.media[index].allowsMixedExtensions = isMixed
                for place in offer.media[index].extensions.indices {
                    switch offer.media[index].extensions[place].uri {
                    case ExtensionKind.mid.uri: offer.media[index].extensions[place].id = 16
                    case ExtensionKind.absoluteSendTime.uri: offer.media[index].extensions[place].id = 15
                    case ExtensionKind.playoutDelay.uri: offer.media[index].extensions[place].id = 255
                    case ExtensionKind.videoOrientation.uri: offer.media[index].extensions[place].id = 256
                    default: break
                    }
                }
            }
            var node = TestNode()
            let answer = try node.answer(offer)
            let client = try AnsweredSession(offer: offer, answer: SessionDescription(parsing: answer.text))
            let sent = try #require(answer.session.publishing.last)
            for ids in [sent.extensions, client.media[sent.index].extensions] {
                #expect(ids[.mid] == (isMixed ? 16 : 0) && ids[.playoutDelay] == (isMixed ? 255 : 0))
                #expect(ids[.absoluteSendTime] == 0 && ids[.videoOrientation] == 0)
                #expect(ids[.transportSequenceNumber] == 3)
            }
            #expect(answer.session.publishing.allSatisfy { $0.allowsMixedExtensions == isMixed })
            #expect(answer.session.slots.allSatisfy { $0.allowsMixedExtensions == isMixed })
        }
    }

    @Test func `redundant sound comes first where the client put it first`() throws {
        for first in ["111", "63"] {
            var node = TestNode()
            var offer = member()
            for index in offer.media.indices where offer.media[index].kind == .audio {
                if first == "63" { offer.media[index].codecs.reverse() }
                offer.media[index].formats = offer.media[index].codecs.map { String($0.payloadType) }
            }
            let answer = try node.answer(offer)
            #expect(answer.description.media[0].formats == [first, first == "63" ? "111" : "63"])
        }
    }

    @Test func `the node's order of codecs is the answer's, and what it lacks is left out`() throws {
        var capabilities = NodeCapabilities()
        capabilities.video = [.av1, .vp8]
        capabilities.audio = [.red, .opus]
        capabilities.extensions = [.mid, .rid]
        capabilities.feedback = [.nack]
        capabilities.usesDTX = true
        var node = TestNode(Negotiator(capabilities: capabilities))
        let answer = try node.answer(member())
        #expect(answer.description.media[1].formats == ["45", "46", "96", "97"])
        #expect(answer.description.media[0].formats == ["63", "111"])
        #expect(answer.description.media[1].extensions.map(\.id) == [4, 10])
        #expect(answer.description.media[1].codecs[0].feedback == ["nack"])
        #expect(answer.description.media[0].codecs[1].parameters["usedtx"] == "1")
        #expect(answer.description.media[3].codecs[1].parameters["usedtx"] == nil)
    }

    @Test func `an offer of 8 and 24 slots is answered whole`() throws {
        var builder = builder()
        _ = builder.sendAudio(ssrc: 1, cname: "c", stream: "s")
        _ = builder.sendVideo(codecs: [.vp8, .vp9, .h264, .av1], rids: ["h", "m", "l"], stream: "s")
        _ = builder.addSlots(audio: 8, video: 24, codecs: [.vp8, .vp9, .h264, .av1])
        var node = TestNode()
        // How long it takes is the bench's matter (join message to SDP answer).
        let media = try node.answer(builder.offer().text).description.media
        #expect(media.count == 2 + 8 + 24)
        #expect(media.allSatisfy { !$0.formats.isEmpty && $0.formats != ["0"] })
    }
}
