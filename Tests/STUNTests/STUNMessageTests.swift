import Addresses
import Bytes
import STUN
import Testing

struct STUNMessageTests {
    let header = STUNHeader(.request, .binding, TransactionID(high: 1, low: 2))

    /// The error of parsing, nil if there is none.
    func refusal(_ bytes: [UInt8]) -> STUNError? {
        do throws(STUNError) {
            _ = try STUNMessage(parsing: bytes.span.raw)
            return nil
        } catch {
            return error
        }
    }

    @Test func `a type is put together from method and class as the RFC draws it, and taken apart again`() {
        for method: UInt16 in 0...0xfff {
            for messageClass in [STUNClass.request, .indication, .success, .failure] {
                let header = STUNHeader(messageClass, STUNMethod(rawValue: method), TransactionID(high: 0, low: 0))
                #expect(STUNHeader(type: header.type, transaction: header.transaction) == header)
            }
        }
        let transaction = TransactionID(high: 0, low: 0)
        #expect(STUNHeader(.request, .binding, transaction).type == 0x0001)
        #expect(STUNHeader(.success, .binding, transaction).type == 0x0101)
        #expect(STUNHeader(.failure, .allocate, transaction).type == 0x0113)
        #expect(STUNHeader(.indication, .send, transaction).type == 0x0016)
        #expect(STUNHeader(type: 0x4001, transaction: transaction) == nil)
    }

    @Test(
        arguments: [
            (hex(""), STUNError.notSTUN),
            (hex("00010000 2112a442 0000000000000000000000"), .notSTUN),
            (hex("00010000 2112a443 000000000000000000000000"), .notSTUN),
            (hex("80010000 2112a442 000000000000000000000000"), .notSTUN),
            (hex("00010004 2112a442 000000000000000000000000"), .wrongLength(stated: 4, actual: 0)),
            (hex("00010000 2112a442 000000000000000000000000 80220000"), .wrongLength(stated: 0, actual: 4)),
            (hex("00010001 2112a442 000000000000000000000000 80"), .wrongLength(stated: 1, actual: 1)),
            (hex("00010004 2112a442 000000000000000000000000 80220001"), .cutAttribute(.software)),
            (hex("00010004 2112a442 000000000000000000000000 8022ffff"), .cutAttribute(.software)),
            (hex("00010008 2112a442 000000000000000000000000 00080004 00000000"), .malformed(.messageIntegrity)),
            (hex("00010008 2112a442 000000000000000000000000 001c0004 00000000"), .malformed(.messageIntegritySHA256)),
            (hex("00010008 2112a442 000000000000000000000000 80280004 00000000"), .wrongFingerprint),
            (hex("00010004 2112a442 000000000000000000000000 80280000"), .wrongFingerprint),
        ] as [([UInt8], STUNError)])
    func `malformed bytes are refused for their reason`(bytes: [UInt8], error: STUNError) {
        #expect(refusal(bytes) == error)
    }

    @Test func `nothing may follow FINGERPRINT`() throws {
        let bytes = try [UInt8](capacity: 100) { (output) throws(STUNError) in
            let writer = try STUNWriter(header, to: &output)
            try writer.addFingerprint(to: &output)
            try writer.add(.software, text: "late", to: &output)
        }
        #expect(refusal(bytes) == .wrongFingerprint)
    }

    @Test func `an attribute behind the integrity is not seen`() throws {
        let key = STUNKey(password: "secret")
        let bytes = try [UInt8](capacity: 200) { (output) throws(STUNError) in
            let writer = try STUNWriter(header, to: &output)
            try writer.add(.priority, uint32: 7, to: &output)
            try writer.addIntegrity(.sha1, key, to: &output)
            try writer.add(.username, text: "forged", to: &output)
            try writer.addIntegrity(.sha256, key, to: &output)
            try writer.add(.realm, text: "forged", to: &output)
            try writer.addFingerprint(to: &output)
        }
        #expect(try Reading(bytes).types == [.priority])
        #expect(isTrusted(bytes, .sha1, key))
        #expect(isTrusted(bytes, .sha256, key))
    }

    @Test func `unknown attributes that must be understood are listed once each, up to a limit`() throws {
        let bytes = try [UInt8](capacity: 1_000) { (output) throws(STUNError) in
            let writer = try STUNWriter(header, to: &output)
            for number: UInt16 in 0x7000..<0x7020 {
                try writer.add(STUNAttributeType(rawValue: number), uint32: 0, to: &output)
                try writer.add(STUNAttributeType(rawValue: 0x7000), bytes: RawSpan(), to: &output)
                try writer.add(STUNAttributeType(rawValue: 0x9000), bytes: RawSpan(), to: &output)
            }
        }
        let message = try STUNMessage(parsing: bytes.span.raw)
        let unknown = message.unknownRequired { $0 == STUNAttributeType(rawValue: 0x7001) }

        #expect(unknown.count == STUNUnknownAttributes.limit)
        #expect(unknown[0].rawValue == 0x7000)
        #expect(unknown[1].rawValue == 0x7002)
        #expect(!unknown.contains(STUNAttributeType(rawValue: 0x9000)))
    }

    @Test func `every kind of value is read as it was written`() throws {
        var unknown = STUNUnknownAttributes()
        unknown.insert(.changeRequest)
        unknown.insert(.useCandidate)
        unknown.insert(.priority)
        let mapped = try #require(Endpoint("198.51.100.7:9"))
        let alternate = try #require(Endpoint("[2001:db8::9]:3478"))
        let bytes = try [UInt8](capacity: 800) { (output) throws(STUNError) in
            let writer = try STUNWriter(STUNHeader(.failure, .allocate, header.transaction), to: &output)
            try writer.addErrorCode(.unknownAttribute, reason: "Unknown Attribute", to: &output)
            try writer.addUnknownAttributes(unknown, to: &output)
            try writer.add(.mappedAddress, address: mapped, to: &output)
            try writer.add(.xorMappedAddress, xorAddress: alternate, to: &output)
            try writer.add(.alternateServer, address: alternate, to: &output)
            try writer.add(.alternateDomain, text: "turn.example.org", to: &output)
            try writer.add(.realm, text: "example.org", to: &output)
            try writer.add(.nonce, text: "n", to: &output)
            try writer.add(.passwordAlgorithms, algorithms: [.sha256, .md5], to: &output)
            try writer.add(.passwordAlgorithm, algorithms: [.sha256], to: &output)
            try writer.add(.iceControlled, uint64: 0x0102_0304_0506_0708, to: &output)
        }
        var expected = Reading(
            header: STUNHeader(.failure, .allocate, header.transaction),
            types: [
                .errorCode, .unknownAttributes, .mappedAddress, .xorMappedAddress, .alternateServer, .alternateDomain,
                .realm, .nonce, .passwordAlgorithms, .passwordAlgorithm, .iceControlled,
            ])
        expected.errorCode = .unknownAttribute
        expected.errorReason = "Unknown Attribute"
        expected.unknownAttributes = [.changeRequest, .useCandidate, .priority]
        expected.mapped = mapped
        expected.xorMapped = alternate
        expected.alternateServer = alternate
        expected.alternateDomain = "turn.example.org"
        expected.realm = "example.org"
        expected.nonce = "n"
        expected.passwordAlgorithms = [.sha256, .md5]
        expected.passwordAlgorithm = .sha256
        expected.iceControlled = 0x0102_0304_0506_0708

        #expect(try Reading(bytes) == expected)
    }

    @Test(
        arguments: [
            ("00200004 00010000", STUNAttributeType.xorMappedAddress),
            ("00200008 0003000000000000", .xorMappedAddress),
            ("00200008 0002000000000000", .xorMappedAddress),
            ("00090004 00000200", .errorCode),
            ("00090004 00000464", .errorCode),
            ("00090002 00000000", .errorCode),
            ("000a0001 00000000", .unknownAttributes),
            ("001e0004 00000000", .userhash),
            ("001d0000", .passwordAlgorithm),
            ("001d0004 00010004", .passwordAlgorithm),
        ] as [(String, STUNAttributeType)])
    func `a value that breaks the rules of its kind is refused`(attribute: String, type: STUNAttributeType) throws {
        let value = hex(attribute)
        let whole = hex("0101") + [0, UInt8(value.count)] + hex("2112a442 000000000000000000000000") + value
        #expect(throws: STUNError.malformed(type)) { try Reading(whole) }
    }

    @Test func `a write without room throws and leaves a whole message`() throws {
        let bytes = try [UInt8](capacity: 28) { (output) throws(STUNError) in
            let writer = try STUNWriter(header, to: &output)
            try writer.add(.software, text: "1234", to: &output)
            do throws(STUNError) {
                try writer.add(.software, text: "5", to: &output)
            } catch {
                #expect(error == .noRoom(needed: 8, left: 0))
            }
        }
        #expect(bytes.count == 28)
        #expect(refusal(bytes) == nil)
    }

    @Test func `a text longer than its kind allows is neither written nor read`() throws {
        let long = String(repeating: "u", count: 509)
        let bytes = try [UInt8](capacity: 2_000) { (output) throws(STUNError) in
            let writer = try STUNWriter(header, to: &output)
            do throws(STUNError) {
                try writer.add(.username, text: long, to: &output)
            } catch {
                #expect(error == .tooLong(.username))
            }
            try writer.add(.username, bytes: Array(long.utf8).span.raw, to: &output)
        }
        #expect(throws: STUNError.tooLong(.username)) { try Reading(bytes) }
    }

    @Test func `random bytes behind a good header never trap`() throws {
        var random = SeededGenerator(seed: 20_260)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...24, using: &random) * 4
            var bytes: [UInt8] = hex("0001") + [0, UInt8(count)] + hex("2112a442 000000000000000000000000")
            for _ in 0..<(count / 4) {
                bytes += [0, [0x06, 0x08, 0x09, 0x1c, 0x20].randomElement(using: &random) ?? 0, 0]
                bytes.append(UInt8.random(in: 0...24, using: &random))
            }
            guard let message = try? STUNMessage(parsing: bytes.span.raw) else { continue }
            _ = message.unknownRequired { _ in false }
            _ = try? message.username()
            _ = try? message.errorCode()
            _ = try? message.xorMappedAddress()
            _ = message.verify(.sha1, STUNKey(password: ""))
        }
    }
}

/// SplitMix64: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
