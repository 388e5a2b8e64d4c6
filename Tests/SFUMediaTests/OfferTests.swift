import DTLS
import ICE
import MediaInterface
import SDP
import SFUMedia
import Testing

/// Offers that come twice, late, or out of turn.
extension ForwardingTests {
    @Test func `an offer said again gets the same answer, a stale one the newest number`() async throws {
        try await withNode { media in
            let member = MediaMember(room: MediaRoom(room: "blue", epoch: 1), member: "ann", stay: 1)
            var random = SystemRandomNumberGenerator()
            let ice = ICE.ICECredentials.random(using: &random)
            let fingerprint = Fingerprint(hash: "sha-256", bytes: Array(0..<32))
            var builder = OfferBuilder(
                local: LocalTransport(
                    ice: SDP.ICECredentials(ufrag: ice.ufrag, password: ice.password), fingerprints: [fingerprint],
                    candidates: []), sessionID: 7)
            _ = builder.sendAudio(ssrc: 1_111, cname: "ann", stream: "s")
            _ = builder.addSlots(audio: 2, video: 4)
            let first = builder.offer().text
            let answer = try await media.offer(1, sdp: first, from: member, maySend: true)
            #expect(try await media.offer(1, sdp: first, from: member, maySend: true) == answer)

            _ = builder.addSlots(audio: 0, video: 5)
            let second = builder.offer().text
            await #expect(throws: MediaRefusal.stale(newest: 1), "another text under the same number") {
                try await media.offer(1, sdp: second, from: member, maySend: true)
            }
            let grown = try await media.offer(2, sdp: second, from: member, maySend: true)
            #expect(try await media.offer(2, sdp: second, from: member, maySend: true) == grown)
            await #expect(throws: MediaRefusal.stale(newest: 2)) {
                try await media.offer(1, sdp: first, from: member, maySend: true)
            }
            await #expect(throws: MediaRefusal.stale(newest: 2), "the answer that was applied is not the newest") {
                try await media.answered(1, by: member)
            }
            try await media.answered(2, by: member)

            // The slots of before are what they were.
            let before = try SessionDescription(parsing: answer).media.map(\.sources)
            let after = try SessionDescription(parsing: grown).media.map(\.sources)
            #expect(Array(after.prefix(before.count)) == before && after.count == before.count + 5)
        }
    }
}
