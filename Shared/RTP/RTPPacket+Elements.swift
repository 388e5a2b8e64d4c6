internal import Bytes

// The elements of the header extension (RFC 8285). A cut element ends the list; what came before it counts.

extension RTPPacket {
    /// The value of the first element with that id; nil if there is none. A value may be empty in the two-byte form.
    @_lifetime(copy self)
    public func element(id: UInt8) -> RawSpan? {
        var offset = header.extensionOffset
        while let (found, range) = nextElement(&offset) {
            if found == id { return bytes.extracting(range) }
        }
        return nil
    }

    /// Calls `body` with each element's id and where in `bytes` its value is, in order.
    @inline(__always)
    public func forEachElement(_ body: (UInt8, Range<Int>) -> Void) {
        var offset = header.extensionOffset
        while let (id, range) = nextElement(&offset) { body(id, range) }
    }

    /// The element at or after `offset`, which moves behind it.
    @inline(__always)
    func nextElement(_ offset: inout Int) -> (id: UInt8, value: Range<Int>)? {
        let end = header.extensionOffset &+ header.extensionByteCount
        switch header.extensionForm {
        case .none, .other:
            return nil
        case .oneByte:
            while offset < end {
                let head = bytes.uint8(at: offset)
                let id = head >> 4
                // Id 0 is padding whatever its length says; 15 ends the list (RFC 8285 §4.2).
                if id == 0 {
                    offset &+= 1
                    continue
                }
                guard id != 15 else { return nil }
                let start = offset &+ 1
                let stop = start &+ Int(head & 0xf) &+ 1
                guard stop <= end else { return nil }
                offset = stop
                return (id, start..<stop)
            }
            return nil
        case .twoByte:
            while offset < end {
                let id = bytes.uint8(at: offset)
                if id == 0 {
                    offset &+= 1
                    continue
                }
                guard offset &+ 2 <= end else { return nil }
                let start = offset &+ 2
                let stop = start &+ Int(bytes.uint8(at: offset &+ 1))
                guard stop <= end else { return nil }
                offset = stop
                return (id, start..<stop)
            }
            return nil
        }
    }

    /// Where the value of each extension is that `ids` names. One pass: made once for a packet, used for all receivers.
    public func extensions(_ ids: HeaderExtensionMap) -> ExtensionPlaces {
        var places = ExtensionPlaces()
        var offset = header.extensionOffset
        while let (id, range) = nextElement(&offset) {
            if let kind = ids.kind(of: id) { places.put(kind, range) }
        }
        return places
    }
}
