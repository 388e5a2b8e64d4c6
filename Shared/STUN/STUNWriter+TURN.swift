public import Addresses
internal import Bytes

// The attributes of RFC 8656 §18 that are not just text, a number or an address.

extension STUNWriter {
    /// Adds CHANNEL-NUMBER.
    public func addChannelNumber(_ number: UInt16, to output: inout OutputRawSpan) throws(STUNError) {
        try add(.channelNumber, uint32: UInt32(number) << 16, to: &output)
    }

    /// Adds REQUESTED-ADDRESS-FAMILY or ADDITIONAL-ADDRESS-FAMILY.
    public func add(
        _ type: STUNAttributeType, family: IPAddress.Family, to output: inout OutputRawSpan
    ) throws(STUNError) {
        try add(type, uint32: STUNWriter.number(of: family) << 24, to: &output)
    }

    /// Adds EVEN-PORT; `reserve` asks for the next port to be kept.
    public func addEvenPort(reserve: Bool, to output: inout OutputRawSpan) throws(STUNError) {
        let value: [1 of UInt8] = [reserve ? 0x80 : 0]
        try add(.evenPort, bytes: value.span.raw, to: &output)
    }

    /// Adds REQUESTED-TRANSPORT.
    public func addRequestedTransport(
        _ transport: TURNTransport, to output: inout OutputRawSpan
    ) throws(STUNError) {
        try add(.requestedTransport, uint32: UInt32(transport.rawValue) << 24, to: &output)
    }

    /// Adds an attribute without a value: DONT-FRAGMENT, USE-CANDIDATE.
    public func addFlag(_ type: STUNAttributeType, to output: inout OutputRawSpan) throws(STUNError) {
        try add(type, bytes: RawSpan(), to: &output)
    }

    /// Adds ADDRESS-ERROR-CODE, without a reason for people.
    public func addAddressErrorCode(
        _ family: IPAddress.Family, _ code: STUNErrorCode, to output: inout OutputRawSpan
    ) throws(STUNError) {
        let (hundreds, units) = (UInt32(code.rawValue / 100), UInt32(code.rawValue % 100))
        try add(
            .addressErrorCode, uint32: STUNWriter.number(of: family) << 24 | hundreds << 8 | units, to: &output)
    }

    /// Adds ICMP. A type above 127 is no error and has no place here.
    public func addICMP(
        type: UInt8, code: UInt8, data: UInt32, to output: inout OutputRawSpan
    ) throws(STUNError) {
        let typeAndCode = UInt64(type & 0x7f) << 9 | UInt64(code)
        try add(.icmp, uint64: typeAndCode << 32 | UInt64(data), to: &output)
    }

    private static func number(of family: IPAddress.Family) -> UInt32 { family == .v4 ? 1 : 2 }
}
