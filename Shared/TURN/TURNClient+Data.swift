public import Addresses
internal import Bytes
internal import STUN

// Data to peers.

extension TURNClient {
    /// Writes data for a peer: as ChannelData where a channel is bound, else as a Send indication. Who sends a lot keeps
    /// the channel's number and calls `ChannelData.write` itself. Throws for a peer that is not permitted.
    public func write(
        _ data: RawSpan, to peer: Endpoint, using random: inout some RandomNumberGenerator,
        to output: inout OutputRawSpan
    ) throws(TURNClientError) {
        if let channel = channel(of: peer) {
            do throws(TURNError) {
                try ChannelData.write(channel, data, padded: settings.transport == .stream, to: &output)
            } catch {
                throw .unwritableData(error)
            }
            return
        }
        guard permissions[peer.address]?.isGranted == true else { throw .notPermitted(peer.address) }
        let flag = settings.dontFragment ? 4 : 0
        let family = peer.address.family == .v4 ? 12 : 24
        let needed = STUNHeader.byteCount + family + 4 + (data.byteCount + 3) & ~3 + flag
        // All or nothing: a message that is written in part would go out as a whole one.
        guard needed <= output.freeCapacity else {
            throw .unwritable(.noRoom(needed: needed, left: output.freeCapacity))
        }
        do throws(STUNError) {
            let header = STUNHeader(.indication, .send, TransactionID(using: &random))
            let writer = try STUNWriter(header, to: &output)
            try writer.add(.xorPeerAddress, xorAddress: peer, to: &output)
            if settings.dontFragment { try writer.addFlag(.dontFragment, to: &output) }
            try writer.add(.data, bytes: data, to: &output)
        } catch {
            throw .unwritable(error)
        }
    }
}
