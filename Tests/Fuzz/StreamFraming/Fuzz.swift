import Bytes
import STUN
import TURN

/// A stream is split alike however it is cut, never past its end, and what is waited for is bounded by the limit.
@c(LLVMFuzzerTestOneInput)
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard let first = bytes.first else { return 0 }
    let limit = 1_500
    let stream = Array(bytes.dropFirst())
    precondition(split(stream, piece: Int(first) + 1, limit) == split(stream, piece: stream.count + 1, limit))
    return 0
}

/// Where each message ends, and the error that ended the stream.
private struct Split: Equatable {
    var ends: [Int] = []
    var error: TURNError?
}

private func split(_ stream: [UInt8], piece: Int, _ limit: Int) -> Split {
    var split = Split()
    var begin = 0
    var end = 0
    do throws(TURNError) {
        while end < stream.count {
            end = min(end + piece, stream.count)
            loop: while true {
                let rest = stream.span.raw.extracting(begin..<end)
                let frame = try StreamFraming.next(in: rest, limit: limit)
                switch frame {
                case .incomplete(let needed):
                    precondition(needed > rest.byteCount && needed <= limit)
                    break loop
                case .stun(let byteCount):
                    _ = try? STUNMessage(parsing: rest.extracting(first: byteCount))
                case .channelData(let byteCount, let padding):
                    precondition(padding < 4)
                    let message = try ChannelData(parsing: rest.extracting(first: byteCount))
                    precondition(message.data.byteCount == byteCount - ChannelData.headerByteCount)
                }
                guard let consumed = frame.consumed else { break loop }
                precondition(consumed <= rest.byteCount && consumed <= limit)
                begin += consumed
                split.ends.append(begin)
            }
        }
    } catch {
        split.error = error
    }
    return split
}
