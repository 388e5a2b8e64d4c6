import Addresses
import Bytes
import STUN
import Testing

/// The attributes of RFC 8656 §18, each written and read again, and each with values that break its rules.
struct TURNAttributesTests {
    let header = STUNHeader(.request, .allocate, TransactionID(high: 1, low: 2))

    func message(
        _ body: (STUNWriter, inout OutputRawSpan) throws(STUNError) -> Void
    ) throws(STUNError) -> [UInt8] {
        try [UInt8](capacity: 400) { (output) throws(STUNError) in
            try body(try STUNWriter(header, to: &output), &output)
        }
    }

    @Test func `what is written is read again`() throws {
        let v4 = try #require(Endpoint("192.0.2.1:4000"))
        let v6 = try #require(Endpoint("[2001:db8::7]:65535"))
        let bytes = try message { (writer, output) throws(STUNError) in
            try writer.addChannelNumber(0x4001, to: &output)
            try writer.add(.lifetime, uint32: 600, to: &output)
            try writer.add(.xorPeerAddress, xorAddress: v4, to: &output)
            try writer.add(.xorPeerAddress, xorAddress: v6, to: &output)
            try writer.add(.xorRelayedAddress, xorAddress: v6, to: &output)
            try writer.add(.data, bytes: ([1, 2, 3] as [UInt8]).span.raw, to: &output)
            try writer.add(.requestedAddressFamily, family: .v6, to: &output)
            try writer.add(.additionalAddressFamily, family: .v4, to: &output)
            try writer.addEvenPort(reserve: true, to: &output)
            try writer.addRequestedTransport(.udp, to: &output)
            try writer.addFlag(.dontFragment, to: &output)
            try writer.add(.reservationToken, uint64: 77, to: &output)
            try writer.addAddressErrorCode(.v6, .addressFamilyNotSupported, to: &output)
            try writer.addICMP(type: 3, code: 4, data: 1_280, to: &output)
        }
        let read = try STUNMessage(parsing: bytes.span.raw)
        var peers: [Endpoint] = []
        try read.forEachPeerAddress { peers.append($0) }
        var relayed: [Endpoint] = []
        try read.forEachRelayedAddress { relayed.append($0) }
        let (channel, lifetime, data) = (try read.channelNumber(), try read.lifetime(), read.dataRange())
        let (requested, additional) = (try read.requestedAddressFamily(), try read.additionalAddressFamily())
        let (even, transport, whole) = (try read.evenPort(), try read.requestedTransport(), try read.dontFragment())
        let (token, first) = (try read.reservationToken(), try read.xorPeerAddress())
        let addressError = try #require(try read.addressErrorCode())
        let icmp = try #require(try read.icmp())

        #expect(channel == 0x4001)
        #expect(lifetime == 600)
        #expect(peers == [v4, v6])
        #expect(first == v4)
        #expect(relayed == [v6])
        #expect(data.map { Array(bytes[$0]) } == [1, 2, 3])
        #expect(requested == .v6)
        #expect(additional == .v4)
        #expect(even == true)
        #expect(transport == .udp)
        #expect(whole)
        #expect(token == 77)
        #expect(addressError == (.v6, .addressFamilyNotSupported))
        #expect(icmp == (3, 4, 1_280))
    }

    @Test func `values on the wire are where RFC 8656 has them`() throws {
        let bytes = try message { (writer, output) throws(STUNError) in
            try writer.addChannelNumber(0x4FFF, to: &output)
            try writer.add(.requestedAddressFamily, family: .v4, to: &output)
            try writer.addEvenPort(reserve: false, to: &output)
            try writer.addRequestedTransport(.tcp, to: &output)
            try writer.addAddressErrorCode(.v4, .allocationQuotaReached, to: &output)
            try writer.addICMP(type: 2, code: 0, data: 0x0102_0304, to: &output)
        }
        #expect(
            Array(bytes.dropFirst(20))
                == hex(
                    """
                    000c 0004 4fff 0000
                    0017 0004 01 000000
                    0018 0001 00 000000
                    0019 0004 06 000000
                    8001 0004 01 00 04 56
                    8004 0008 0000 0400 01020304
                    """))
    }

    @Test(arguments: [
        (STUNAttributeType.channelNumber, "4000"), (.lifetime, "00"), (.evenPort, "8000"), (.requestedTransport, "11"),
        (.dontFragment, "00"), (.reservationToken, "00000000"), (.requestedAddressFamily, "01"),
        (.requestedAddressFamily, "03000000"), (.additionalAddressFamily, "00000000"), (.addressErrorCode, "010004"),
        (.addressErrorCode, "01000764"), (.addressErrorCode, "03000456"), (.icmp, "00000400"),
        (.xorPeerAddress, "0003111122223333"), (.xorPeerAddress, "000111112222"),
        (.xorPeerAddress, "00021111222233334444555566667777"), (.xorRelayedAddress, "000111112222333344"),
    ])
    func `a value that breaks the rules of its kind is refused`(type: STUNAttributeType, value: String) throws {
        let bytes = try message { (writer, output) throws(STUNError) in
            try writer.add(type, bytes: hex(value).span.raw, to: &output)
        }
        #expect(throws: STUNError.malformed(type)) {
            let message = try STUNMessage(parsing: bytes.span.raw)
            _ = try message.channelNumber()
            _ = try message.lifetime()
            _ = try message.evenPort()
            _ = try message.requestedTransport()
            _ = try message.dontFragment()
            _ = try message.reservationToken()
            _ = try message.requestedAddressFamily()
            _ = try message.additionalAddressFamily()
            _ = try message.addressErrorCode()
            _ = try message.icmp()
            try message.forEachPeerAddress { _ in }
            try message.forEachRelayedAddress { _ in }
        }
    }
}
