import Glibc

/// The folder where the services of one host meet: sockets, process files, admin addresses.
public struct RunFolder: Sendable {
    /// Without a slash at its end.
    public let path: String

    /// Makes the folder where it is missing (for its owner alone) and proves that it can be written.
    public init(preparing path: String, key: String) throws(ServiceFailure) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        var made = ""
        var refusal: Int32 = 0
        for part in self.path.split(separator: "/", omittingEmptySubsequences: false) {
            made += made.isEmpty && part.isEmpty ? "/" : (made.isEmpty || made == "/" ? String(part) : "/\(part)")
            // An existing part is no error here: what matters is whether the whole can be written.
            if unsafe mkdir(made, 0o700) != 0, errno != EEXIST, refusal == 0 { refusal = errno }
        }
        let probe = file(".probe-\(getpid())")
        let descriptor = unsafe open(probe, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            // A folder that could not be made is only "no such file" to the probe; the first refusal tells more.
            let number = errno == ENOENT && refusal != 0 ? refusal : errno
            throw ServiceFailure(
                "cannot write run folder \(self.path): \(errorText(number)). "
                    + "Give this user the folder (chown), or set --\(key) to one that it can write.")
        }
        close(descriptor)
        unsafe unlink(probe)
    }

    /// Refuses a folder that another user made or may write: in a place like /tmp, where anybody could have been first.
    public func checkIsOwn() throws(ServiceFailure) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
            status.st_mode & 0o077 == 0
        else {
            throw ServiceFailure(
                "\(path) is not a folder of this user alone. Remove it, or choose a shorter --run-dir, which needs none beside it."
            )
        }
    }

    /// The path of a file in the folder.
    public func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a whole file at once: readers see the old text or the new one, never half.
    public func write(_ name: String, _ text: String) throws(ServiceFailure) {
        let temporary = file(".\(name).\(getpid())")
        var text = text
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw ServiceFailure("cannot write \(temporary): \(errorText(errno)).") }
        let written = text.withUTF8 { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
        let number = errno
        close(descriptor)
        guard written == text.utf8.count else {
            unsafe unlink(temporary)
            throw ServiceFailure("cannot write \(temporary): \(errorText(number)). Is the disk full?")
        }
        guard unsafe rename(temporary, file(name)) == 0 else {
            throw ServiceFailure("cannot replace \(file(name)): \(errorText(errno)).")
        }
    }

    /// Removes a file; a missing one is fine.
    public func remove(_ name: String) { unsafe unlink(file(name)) }
}

/// A file that its process holds locked, so that a crash frees it: at most one holder for each name and folder.
public struct ProcessFile: ~Copyable, Sendable {
    private let descriptor: Int32

    /// Takes `NAME.pid` and writes the process id into it; a taken one is refused with its holder's id and the advice.
    public init(_ name: String, in folder: RunFolder, advice: String) throws(ServiceFailure) {
        let path = folder.file("\(name).pid")
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw ServiceFailure("cannot open \(path): \(errorText(errno)).") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            var digits = [UInt8](repeating: 0, count: 16)
            let count = unsafe digits.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
            let holder = String(
                decoding: digits.prefix(max(0, count)).filter { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self)
            close(descriptor)
            throw ServiceFailure("\(name) already runs in \(folder.path) (process \(holder)). \(advice)")
        }
        ftruncate(descriptor, 0)
        var text = "\(getpid())\n"
        text.withUTF8 { _ = unsafe pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }

    deinit { close(descriptor) }
}
