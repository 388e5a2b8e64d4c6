import Glibc

/// A path from the root on.
func absolutePath(_ path: String) -> String {
    guard !path.hasPrefix("/") else { return path }
    guard let current = unsafe getcwd(nil, 0) else { return path }
    defer { unsafe free(current) }
    let trimmed = path.hasPrefix("./") ? String(path.dropFirst(2)) : path
    return unsafe "\(String(cString: current))/\(trimmed)"
}

/// Whether this user may use a path in a way such as `X_OK`.
func isAccessible(_ path: String, _ mode: Int32) -> Bool { unsafe access(path, mode) == 0 }

/// An environment variable; nil where it is absent or empty.
func environmentValue(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    let text = unsafe String(cString: value)
    return text.isEmpty ? nil : text
}

/// Where a command is on the PATH; nil where it is not.
func findOnPath(_ command: String) -> String? {
    let folders = environmentValue("PATH") ?? "/usr/bin:/bin"
    for folder in folders.split(separator: ":") {
        let path = "\(folder)/\(command)"
        if unsafe access(path, X_OK) == 0 { return path }
    }
    return nil
}

/// Where a symbolic link points.
func readLink(_ path: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        guard let start = unsafe bytes.bindMemory(to: CChar.self).baseAddress else { return -1 }
        return unsafe readlink(path, start, bytes.count)
    }
    return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
}

/// A whole small file; nil where it cannot be read.
func readFile(_ path: String, limit: Int = 1 << 20) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: limit)
    var filled = 0
    while filled < limit {
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe read(descriptor, buffer.baseAddress.map { unsafe $0 + filled }, limit - filled)
        }
        guard count > 0 else { break }
        filled += count
    }
    return String(decoding: bytes.prefix(filled), as: UTF8.self)
}
