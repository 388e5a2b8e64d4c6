import SRTP
import Testing

/// Each of our ends against libsrtp2's other end.
@Suite(.serialized) struct LibSRTPTests {
    @Test(arguments: SRTPProfile.allCases)
    func `what we seal libsrtp2 opens, byte for byte as it seals itself`(_ profile: SRTPProfile) throws {
        let ours = try #require(masterKey(profile))
        var sealer = try SRTPSealer(ours)
        let theirs = try #require(LibSRTP(profile, seals: true))
        let opener = try #require(LibSRTP(profile, seals: false))
        for step in 0..<70_000 {
            let plain = packet(
                UInt16(truncatingIfNeeded: 40_000 + step), csrcs: step % 3, extended: step.isMultiple(of: 2),
                payload: step % 50)
            let sealed = try sealer.seal(plain)
            guard step.isMultiple(of: 16) || step > 25_000 && step < 26_000 else {
                _ = theirs.seal(plain)
                continue
            }
            try #require(theirs.seal(plain) == sealed, "packet \(step)")
            try #require(opener.open(sealed) == plain, "packet \(step)")
        }
    }

    @Test(arguments: SRTPProfile.allCases)
    func `RTCP goes both ways, with SSRCs that only report`(_ profile: SRTPProfile) throws {
        let key = try #require(masterKey(profile))
        var sealer = try SRTPSealer(key)
        var opener = try SRTPOpener(key)
        let theirSealer = try #require(LibSRTP(profile, seals: true))
        let theirOpener = try #require(LibSRTP(profile, seals: false))
        for step in 0..<200 {
            let plain = report(ssrc: UInt32(step % 5), step % 40 * 4)
            try #require(theirOpener.openControl(try sealer.sealControl(plain)) == plain)
            try #require(try opener.openControl(try #require(theirSealer.sealControl(plain))) == plain)
        }
    }

    /// Loss, disorder, repetition, damage and five rollovers: both must give the same answer to each packet.
    @Test(arguments: SRTPProfile.allCases, [1, 2] as [UInt64])
    func `our opener and libsrtp2's agree on any history`(_ profile: SRTPProfile, _ seed: UInt64) throws {
        var random = Seeded(state: seed)
        let sealer = try #require(LibSRTP(profile, seals: true))
        let theirs = try #require(LibSRTP(profile, seals: false))
        var ours = try SRTPOpener(try #require(masterKey(profile)))
        var sequence = Int.random(in: 0..<65_536, using: &random)
        var sent: [[UInt8]] = []
        var opened = 0
        for step in 0..<20_000 {
            // Mostly the next one; at times a leap, as after a long loss.
            sequence += Int.random(in: 0..<100, using: &random) < 97 ? 1 : Int.random(in: 1...2_000, using: &random)
            let plain = packet(UInt16(truncatingIfNeeded: sequence), payload: 20)
            sent.append(try #require(sealer.seal(plain)))
            if sent.count > 1_200 { sent.removeFirst(200) }
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                let late =
                    Int.random(in: 0..<10, using: &random) < 8 ? 1 : Int.random(in: 1...sent.count, using: &random)
                // Nearer than our window, or farther than both.
                guard late < 400 else { continue }
                var bytes = sent[sent.count - late]
                if Int.random(in: 0..<20, using: &random) == 0 {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] ^=
                        1 << UInt8.random(in: 0..<8, using: &random)
                }
                let expected = theirs.open(bytes)
                let got = try? ours.open(bytes)
                // Windows are 960 and 1,024 long: between them libsrtp2 takes what we refuse.
                if got == nil, expected != nil, refusal({ () throws(SRTPError) in try ours.open(bytes) }) == .tooOld {
                    continue
                }
                try #require(got == expected, "seed \(seed), step \(step)")
                opened += got == nil ? 0 : 1
            }
        }
        #expect(opened > 5_000)
    }
}
