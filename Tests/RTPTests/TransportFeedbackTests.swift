import Bytes
import RTP
import Testing
import Time

struct TransportFeedbackTests {
    /// What a feedback says, as values.
    struct Arrival: Equatable {
        var number: UInt16
        var time: Interval?
    }

    func expect(_ builder: borrowing TransportFeedbackBuilder, isEmpty expected: Bool) {
        let isEmpty = builder.isEmpty
        #expect(isEmpty == expected)
    }

    func read(_ bytes: [UInt8]) throws(RTPError) -> [Arrival] {
        var reader = RTCPReader(bytes.span.raw)
        guard let packet = try reader.next(), let feedback = try packet.transportFeedback() else { return [] }
        var arrivals: [Arrival] = []
        feedback.forEach { number, time in arrivals.append(Arrival(number: number.rawValue, time: time)) }
        return arrivals
    }

    @Test func `runs, vectors of one bit and of two bits are read`() throws {
        // From 65,534: a run of two; then of fourteen bits the second one; then large, negative, and two lost.
        let bytes = hex(
            """
            afcd0008 00000001 00000002 fffe 0014 000001 05
            2002 9000 e800
            04 08 0c 0200 ffff 000003
            """)
        let arrivals = try read(bytes)
        #expect(arrivals.map(\.number) == (0..<20).map { UInt16(65_534) &+ $0 })
        let times = arrivals.map { $0.time.map { ($0 - .milliseconds(64)).microseconds } }
        let lost = [Int64?](repeating: nil, count: 12)
        #expect(times == [1000, 3000, nil, 6000] + lost + [134_000, 133_750, nil, nil])
    }

    @Test(
        arguments: [
            // No packets; more than any transport sends; no chunk; an empty run; a reserved status; a delta too few.
            "8fcd0005 00000001 00000002 0001 0000 000001 05 0000 0000",
            "8fcd0005 00000001 00000002 0001 ffff 000001 05 1fff 1fff",
            "8fcd0004 00000001 00000002 0001 0001 000001 05",
            "8fcd0005 00000001 00000002 0001 0001 000001 05 0000 0000",
            "8fcd0005 00000001 00000002 0001 0001 000001 05 6001 0000",
            "8fcd0005 00000001 00000002 0001 0003 000001 05 2003 0000",
            "8fcd0005 00000001 00000002 0001 0002 000001 05 4002 0000",
        ])
    func `malformed feedback is refused`(text: String) {
        #expect(refusal { () throws(RTPError) in _ = try read(hex(text)) } == .malformed(.transportFeedback))
    }

    @Test func `the smallest feedback has the bytes that the draft draws`() throws {
        var builder = TransportFeedbackBuilder(capacity: 64)
        expect(builder, isEmpty: true)
        builder.receive(SequenceNumber(rawValue: 5), now: .zero + .milliseconds(65))
        expect(builder, isEmpty: false)
        let bytes = try [UInt8](capacity: 100) { (output) throws(RTPError) in
            _ = try builder.write(sender: SSRC(rawValue: 1), media: SSRC(rawValue: 2), to: &output)
        }
        #expect(bytes == hex("afcd0005 00000001 00000002 0005 0001 000001 00 2001 04 01"))
        expect(builder, isEmpty: true)
    }

    /// All that a builder has to say, in messages of at most `room` bytes.
    func drain(_ builder: inout TransportFeedbackBuilder, room: Int = 1200) throws -> [Arrival] {
        var arrivals: [Arrival] = []
        var more = !builder.isEmpty
        while more {
            let bytes = try [UInt8](capacity: room) { (output) throws(RTPError) in
                more = try builder.write(sender: SSRC(rawValue: 1), media: SSRC(rawValue: 2), to: &output)
            }
            #expect(bytes.count.isMultiple(of: 4))
            let part = try read(bytes)
            #expect(!part.isEmpty)
            arrivals += part
        }
        expect(builder, isEmpty: true)
        return arrivals
    }

    @Test func `what a builder writes is what came, over long random histories of loss, delay and disorder`() throws {
        for seed: UInt64 in 0..<20 {
            var random = SeededRandom(seed: seed)
            var builder = TransportFeedbackBuilder(capacity: 256)
            var now = Instant.zero + .seconds(Int64(seed) * 1000)
            var next = UInt16.random(in: 0 ... .max, using: &random)
            let loss = Double(seed) / 25
            for _ in 0..<200 {
                var came: [UInt16: Interval] = [:]
                var held: [UInt16] = []
                for _ in 0..<Int.random(in: 1...60, using: &random) {
                    let gap: Int64 = Int.random(in: 0..<50, using: &random) == 0 ? 9_000_000 : 3000
                    now += .microseconds(Int64.random(in: 0...gap, using: &random))
                    let number = next
                    next &+= 1
                    if Double.random(in: 0..<1, using: &random) < loss { continue }
                    if Int.random(in: 0..<8, using: &random) == 0 {
                        held.append(number)
                        continue
                    }
                    builder.receive(SequenceNumber(rawValue: number), now: now)
                    came[number] = now - .zero
                }
                for number in held {
                    builder.receive(SequenceNumber(rawValue: number), now: now)
                    came[number] = now - .zero
                }
                let arrivals = try drain(&builder, room: Bool.random(using: &random) ? 1200 : 60)
                var seen: [UInt16: Interval] = [:]
                for arrival in arrivals { seen[arrival.number] = arrival.time ?? seen[arrival.number] }
                for (number, time) in came {
                    let error = seen[number].map { (time - $0).nanoseconds } ?? -1
                    #expect((0..<250_000).contains(error), "seed \(seed), packet \(number)")
                }
            }
        }
    }

    @Test func `a packet that came late is reported afterwards, a repeated one is not`() throws {
        var builder = TransportFeedbackBuilder(capacity: 64)
        for number: UInt16 in [1, 2, 4] { builder.receive(SequenceNumber(rawValue: number), now: .zero) }
        #expect(try drain(&builder).map(\.number) == [1, 2, 3, 4])
        builder.receive(SequenceNumber(rawValue: 4), now: .zero + .milliseconds(5))
        expect(builder, isEmpty: true)
        builder.receive(SequenceNumber(rawValue: 3), now: .zero + .milliseconds(7))
        #expect(try drain(&builder) == [Arrival(number: 3, time: .milliseconds(7)), Arrival(number: 4, time: .zero)])
    }

    @Test func `a jump ahead forgets what cannot be reported, and a very late packet is passed over`() throws {
        var builder = TransportFeedbackBuilder(capacity: 64)
        for number: UInt16 in [1, 2, 50] { builder.receive(SequenceNumber(rawValue: number), now: .zero) }
        builder.receive(SequenceNumber(rawValue: 80), now: .zero)
        #expect(try drain(&builder).filter { $0.time != nil }.map(\.number) == [50, 80])
        builder.receive(SequenceNumber(rawValue: 1000), now: .zero)
        #expect(try drain(&builder).map(\.number) == [1000])
        builder.receive(SequenceNumber(rawValue: 900), now: .zero)
        expect(builder, isEmpty: true)
    }
}
