import CZlib

/// Compression of the pages (RFC 1952), done once for each file.
package enum Gzip {
    /// The bytes in gzip's format, at its best level; nil where zlib has no memory. Takes some 10 ms for 100 KB.
    package static func compress(_ bytes: [UInt8]) -> [UInt8]? {
        var stream = unsafe z_stream()
        // 15: the largest window; 16 more: a gzip header instead of zlib's; 9: the most memory, 256 KiB for the moment.
        let isReady = unsafe deflateInit2_(
            &stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        guard isReady == Z_OK else { return nil }
        defer { unsafe deflateEnd(&stream) }
        var source = bytes
        let bound = unsafe Int(deflateBound(&stream, UInt(bytes.count)))
        var result = [UInt8](repeating: 0, count: bound)
        let status = unsafe source.withUnsafeMutableBufferPointer { source in
            unsafe result.withUnsafeMutableBufferPointer { result in
                unsafe stream.next_in = source.baseAddress
                unsafe stream.avail_in = UInt32(source.count)
                unsafe stream.next_out = result.baseAddress
                unsafe stream.avail_out = UInt32(result.count)
                return unsafe deflate(&stream, Z_FINISH)
            }
        }
        guard status == Z_STREAM_END else { return nil }
        result.removeLast(unsafe Int(stream.avail_out))
        return result
    }

    /// Whether a browser that says `accept-encoding` takes gzip (RFC 9110 §12.5.3).
    package static func isAccepted(by acceptEncoding: [some StringProtocol]) -> Bool {
        var anything = false
        for coding in acceptEncoding.flatMap({ $0.split(separator: ",") }) {
            let parts = coding.lowercased().filter { $0 != " " && $0 != "\t" }.split(separator: ";")
            guard let name = parts.first else { continue }
            let quality = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            if name == "gzip" || name == "x-gzip" { return quality > 0 }
            if name == "*" { anything = quality > 0 }
        }
        return anything
    }
}
