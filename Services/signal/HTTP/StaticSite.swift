import Foundation

/// A file of the site, as it is served.
package struct StaticFile: Sendable {
    package var bytes: [UInt8]
    /// The same in gzip, where that is shorter: pictures and sounds are compressed already.
    package var gzip: [UInt8]?
    package var contentType: String
    package var etag: String

    package init(bytes: [UInt8], contentType: String, etag: String) {
        self.bytes = bytes
        self.contentType = contentType
        self.etag = etag
        // A tenth is less than what a second representation costs in caches on the way.
        gzip = Gzip.compress(bytes).flatMap { $0.count < bytes.count / 10 * 9 ? $0 : nil }
    }
}

/// The pages, read into memory and compressed at the start: serving touches no disk and compresses nothing, and a path can
/// reach nothing else.
package struct StaticSite: Sendable {
    /// All files together; the page itself is meant to stay below 150 KiB.
    package static let byteLimit = 16 << 20

    /// What a browser shows where there is nothing: `missing.html`, which has no address of its own.
    package let missing: StaticFile?
    private let files: [String: StaticFile]

    /// Reads every file below a folder; hidden ones and those of unknown kind stay out.
    package init(folder: String) throws {
        let root = URL(fileURLWithPath: folder, isDirectory: true).standardizedFileURL.resolvingSymlinksInPath()
        guard let paths = FileManager.default.enumerator(atPath: root.path) else {
            throw CertificateError(
                description: "signal: cannot read the folder \(folder). Set web-root to the folder of the pages.")
        }
        var files: [String: StaticFile] = [:]
        var total = 0
        for case let path as String in paths {
            guard !path.split(separator: "/").contains(where: { $0.hasPrefix(".") }),
                let type = Self.contentTypes[(path as NSString).pathExtension.lowercased()]
            else { continue }
            let bytes = [UInt8](try Data(contentsOf: root.appendingPathComponent(path)))
            total += bytes.count
            guard total <= Self.byteLimit else {
                throw CertificateError(
                    description: "signal: the pages in \(folder) have over \(Self.byteLimit >> 20) MiB.")
            }
            files["/" + path] = StaticFile(
                bytes: bytes, contentType: type, etag: "W/\"\(Digest.base64URL(Digest.sha256(bytes)).prefix(22))\"")
        }
        self.init(files: files)
    }

    package init(files: [String: StaticFile]) {
        var files = files
        missing = files.removeValue(forKey: "/missing.html")
        self.files = files
    }

    package var isEmpty: Bool { files.isEmpty }

    /// The file of a request's path: `/` is `/index.html`, `/x` may be `/x.html`, `/room/ANY` is `/room.html`.
    package func file(at target: String) -> StaticFile? {
        let path = String(target.prefix { $0 != "?" && $0 != "#" })
        guard path.hasPrefix("/"), !path.contains("..") else { return nil }
        if path.hasSuffix("/") { return files[path + "index.html"] }
        if let file = files[path] ?? files[path + ".html"] { return file }
        // Which room it is, the page reads from its address.
        let pieces = path.split(separator: "/", omittingEmptySubsequences: false)
        return pieces.count == 3 && pieces[1] == "room" ? files["/room.html"] : nil
    }

    private static let contentTypes: [String: String] = [
        "html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8",
        "mjs": "text/javascript; charset=utf-8",
        "css": "text/css; charset=utf-8", "json": "application/json", "webmanifest": "application/manifest+json",
        "svg": "image/svg+xml", "png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "ico": "image/x-icon",
        "woff2": "font/woff2", "txt": "text/plain; charset=utf-8", "ts": "text/plain; charset=utf-8",
        "mp3": "audio/mpeg",
        "ogg": "audio/ogg", "wav": "audio/wav", "wasm": "application/wasm",
    ]
}
