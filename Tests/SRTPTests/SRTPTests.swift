import Bytes
import SRTP
import Testing

struct SRTPTests {
    @Test(arguments: SRTPProfile.allCases)
    func `a packet survives, sealed in place, into an output, and from two places`(_ profile: SRTPProfile) throws {
        let key = try #require(masterKey(profile))
        let plain = packet(7, csrcs: 2, extended: true, payload: 333)
        let head = 12 + 8 + 12
        var forms: [[UInt8]] = []
        for split in [-1, head, head + 3, plain.count] {
            var sealer = try SRTPSealer(key)
            if split < 0 {
                forms.append(try sealer.seal(plain))
                continue
            }
            let payload = Array(plain[split...])
            let sealed = try [UInt8](capacity: 2_000) { (output) throws(SRTPError) in
                for byte in [9, 9] + plain[..<split] { output.append(byte) }
                try sealer.sealRTP(&output, from: 2, payload: payload.span.raw)
            }
            #expect(sealed.starts(with: [9, 9]))
            forms.append(Array(sealed[2...]))
        }
        for form in forms { #expect(form == forms[0]) }

        var inPlace = try SRTPOpener(key)
        #expect(try inPlace.open(forms[0]) == plain)
        let form = forms[0]
        var elsewhere = try SRTPOpener(key)
        let opened = try [UInt8](capacity: 1_000) { (output) throws(SRTPError) in
            output.append(9)
            try elsewhere.openRTP(form.span.raw, to: &output)
        }
        #expect(opened == [9] + plain)
    }

    @Test(arguments: SRTPProfile.allCases)
    func `every flipped bit and every cut is noticed, and changes nothing`(_ profile: SRTPProfile) throws {
        let key = try #require(masterKey(profile))
        var sealer = try SRTPSealer(key)
        var opener = try SRTPOpener(key)
        let plain = packet(500, payload: 40)
        let sealed = try sealer.seal(plain)
        let control = try sealer.sealControl(report())
        for bit in 0..<(sealed.count * 8) {
            var wrong = sealed
            wrong[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(refusal { () throws(SRTPError) in try opener.open(wrong) } != nil, "bit \(bit)")
        }
        for bit in 0..<(control.count * 8) {
            var wrong = control
            wrong[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(refusal { () throws(SRTPError) in try opener.openControl(wrong) } != nil, "bit \(bit)")
        }
        for length in 0..<sealed.count {
            #expect(refusal { () throws(SRTPError) in try opener.open(Array(sealed[..<length])) } != nil)
        }
        for length in 0..<control.count {
            #expect(refusal { () throws(SRTPError) in try opener.openControl(Array(control[..<length])) } != nil)
        }
        #expect(try opener.open(sealed) == plain)
        #expect(try opener.openControl(control) == report())
    }

    @Test(arguments: SRTPProfile.allCases)
    func `a repeated packet is refused, an old one too, and late ones pass`(_ profile: SRTPProfile) throws {
        let key = try #require(masterKey(profile))
        var sealer = try SRTPSealer(key)
        var opener = try SRTPOpener(key)
        let sealed = try (0..<2_000).map { try sealer.seal(packet(UInt16($0), payload: 9)) }
        _ = try opener.open(sealed[0])
        _ = try opener.open(sealed[1_999])
        #expect(refusal { () throws(SRTPError) in try opener.open(sealed[1_999]) } == .replayed)
        #expect(refusal { () throws(SRTPError) in try opener.open(sealed[1_999 - 960]) } == .tooOld)
        for number in (1_999 - 959)..<1_999 { _ = try opener.open(sealed[number]) }
        for number in (1_999 - 959)..<2_000 {
            #expect(refusal { () throws(SRTPError) in try opener.open(sealed[number]) } == .replayed)
        }
        #expect(refusal { () throws(SRTPError) in try sealer.seal(packet(1_500)) } == .replayed)
        #expect(refusal { () throws(SRTPError) in try sealer.seal(packet(0)) } == .tooOld)
    }

    @Test func `a late packet across the wrap is sealed with the old rollover counter`() throws {
        let key = try #require(masterKey(.aeadAES128GCM))
        var sealer = try SRTPSealer(key)
        var opener = try SRTPOpener(key)
        var order = Array(65_000..<66_000).map { UInt16(truncatingIfNeeded: $0) }
        order.swapAt(530, 540)
        order.swapAt(535, 700)
        for sequence in order { _ = try opener.open(try sealer.seal(packet(sequence))) }
    }

    @Test func `a number before the first is not sealed, as no receiver could follow`() throws {
        let key = try #require(masterKey(.aeadAES128GCM))
        var sealer = try SRTPSealer(key)
        _ = try sealer.seal(packet(3))
        #expect(refusal { () throws(SRTPError) in try sealer.seal(packet(65_534)) } == .tooOld)
        _ = try sealer.seal(packet(4))
    }

    @Test func `SSRCs are bounded, and a forgotten one makes room`() throws {
        let key = try #require(masterKey(.aeadAES128GCM))
        var sealer = try SRTPSealer(key, maximumStreams: 200)
        var opener = try SRTPOpener(key, maximumStreams: 100)
        for ssrc in 0..<100 as Range<UInt32> { _ = try opener.open(try sealer.seal(packet(1, ssrc: ssrc))) }
        let another = try sealer.seal(packet(1, ssrc: 1_000))
        #expect(refusal { () throws(SRTPError) in try opener.open(another) } == .tooManyStreams)
        opener.forget(ssrc: 17)
        #expect(try opener.open(another) == packet(1, ssrc: 1_000))
        for ssrc in 0..<100 as Range<UInt32> where ssrc != 17 {
            _ = try opener.open(try sealer.seal(packet(2, ssrc: ssrc)))
        }
        #expect(
            refusal { () throws(SRTPError) in try opener.open(try sealer.seal(packet(2, ssrc: 17))) } == .tooManyStreams
        )
    }

    @Test func `forged packets do not take up SSRCs`() throws {
        let key = try #require(masterKey(.aes128CMHMACSHA180))
        var opener = try SRTPOpener(key, maximumStreams: 1)
        for ssrc in 0..<100 as Range<UInt32> {
            #expect(refusal { () throws(SRTPError) in try opener.open(packet(1, ssrc: ssrc)) } == .forged)
        }
        var sealer = try SRTPSealer(key)
        _ = try opener.open(try sealer.seal(packet(1)))
    }

    @Test func `RTCP that says it is not encrypted is refused`() throws {
        let key = try #require(masterKey(.aeadAES128GCM))
        var opener = try SRTPOpener(key)
        let bytes = report() + [UInt8](repeating: 0, count: 20)
        #expect(refusal { () throws(SRTPError) in try opener.openControl(bytes) } == .unencrypted)
    }

    @Test func `without room behind the packet nothing is sealed`() throws {
        let key = try #require(masterKey(.aeadAES128GCM))
        var sealer = try SRTPSealer(key)
        let error = refusal { () throws(SRTPError) in
            try unsafe inPlace(packet(1), room: 15) { (buffer, length) throws(SRTPError) in
                try unsafe sealer.sealRTP(buffer, length: length)
            }
        }
        #expect(error == .noRoom(needed: 16, left: 15))
        _ = try sealer.seal(packet(1))
    }

    @Test func `the exporter's bytes are client's and server's keys, then their salts`() throws {
        for profile in SRTPProfile.allCases {
            let exported = (0..<profile.keyingMaterialLength).map { UInt8($0) }
            let client = try #require(SRTPKeys(profile: profile.rawValue, exported: exported, isClient: true))
            let server = try #require(SRTPKeys(profile: profile.rawValue, exported: exported, isClient: false))
            var sealer = try SRTPSealer(client.local)
            var opener = try SRTPOpener(server.remote)
            #expect(try opener.open(try sealer.seal(packet(1))) == packet(1))
            let (key, salt) = (profile.keyLength, profile.saltLength)
            let stated = try #require(
                SRTPMasterKey(
                    profile, key: (0..<key).map { UInt8($0) }, salt: (0..<salt).map { UInt8(2 * key + $0) }))
            var expected = try SRTPSealer(stated)
            #expect(try expected.seal(packet(2)) == (try sealer.seal(packet(2))))
            #expect(SRTPKeys(profile: profile.rawValue, exported: Array(exported.dropLast()), isClient: true) == nil)
        }
        #expect(SRTPKeys(profile: 2, exported: [UInt8](repeating: 0, count: 60), isClient: true) == nil)
    }
}
