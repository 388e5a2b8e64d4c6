import Bytes
import TURN
import Testing

/// A ChannelData message as a value, to compare whole.
struct ReadChannelData: Equatable {
    var channel: UInt16
    var data: [UInt8]

    init(_ channel: UInt16, _ data: [UInt8]) {
        self.channel = channel
        self.data = data
    }

    init(parsing bytes: [UInt8]) throws(TURNError) {
        let message = try ChannelData(parsing: bytes.span.raw)
        self.init(message.channel.rawValue, [UInt8](copying: message.data))
    }
}

func channelData(_ position: Int, _ data: [UInt8], padded: Bool) throws(TURNError) -> [UInt8] {
    try [UInt8](capacity: 70_000) { (output) throws(TURNError) in
        try ChannelData.write(ChannelNumber(position: position), data.span.raw, padded: padded, to: &output)
    }
}

struct ChannelDataTests {
    @Test func `channels are 0x4000 to 0x7FFF, of which clients choose the first quarter`() {
        let numbers = (0...UInt16.max).filter { ChannelNumber(rawValue: $0) != nil }

        #expect(numbers.first == 0x4000)
        #expect(numbers.last == 0x7fff)
        #expect(numbers.count == 4 * ChannelNumber.count)
        #expect(numbers.map { ChannelNumber(rawValue: $0)?.position } == Array(0..<numbers.count))
    }

    @Test(arguments: 0...9) func `what is written is read again`(count: Int) throws {
        let data = (0..<count).map { UInt8($0 + 1) }

        let plain = try channelData(7, data, padded: false)
        let padded = try channelData(7, data, padded: true)

        #expect(plain.count == 4 + count)
        #expect(padded == plain + [UInt8](repeating: 0, count: -count & 3))
        #expect(try ReadChannelData(parsing: plain) == ReadChannelData(0x4007, data))
        #expect(try ReadChannelData(parsing: padded) == ReadChannelData(0x4007, data))
    }

    @Test func `a message cut short anywhere is refused`() throws {
        let whole = try channelData(0xfff, [1, 2, 3, 4, 5], padded: false)

        #expect(Array(whole.prefix(4)) == [0x4f, 0xff, 0, 5])
        for count in 0..<4 {
            #expect(throws: TURNError.cutChannelData(stated: nil, actual: count)) {
                try ReadChannelData(parsing: Array(whole.prefix(count)))
            }
        }
        for count in 4..<9 {
            #expect(throws: TURNError.cutChannelData(stated: 5, actual: count - 4)) {
                try ReadChannelData(parsing: Array(whole.prefix(count)))
            }
        }
    }

    @Test(arguments: [0x0000, 0x3fff, 0x8000, 0xffff] as [UInt16])
    func `numbers out of range are refused`(number: UInt16) {
        let bytes: [UInt8] = [UInt8(number >> 8), UInt8(number & 255), 0, 0]

        #expect(throws: TURNError.notAChannel(number)) { try ReadChannelData(parsing: bytes) }
    }

    @Test func `what does not fit is not written`() throws {
        let data = [UInt8](repeating: 1, count: 65_536)

        #expect(throws: TURNError.tooLong(bytes: 65_536)) { try channelData(0, data, padded: false) }
        let written = [UInt8](capacity: 7) { output in
            #expect(throws: TURNError.noRoom(needed: 8, left: 7)) {
                try ChannelData.write(ChannelNumber(position: 0), ([1] as [UInt8]).span.raw, padded: true, to: &output)
            }
        }
        #expect(written.isEmpty)
        #expect(try channelData(0, Array(data.dropLast()), padded: true).count == 65_540)
    }
}
