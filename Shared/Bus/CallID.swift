/// The id that one call of people carries through all services: the bus takes it along, and log lines bear it as `call-id`.
///
/// It is the room's, or the session's for what is asked before there is a room.
public enum CallID {
    /// Bind it where a request comes in: `CallID.$current.withValue(id) { … }`.
    @TaskLocal public static var current: String?

    /// Its name, in the metadata of a call on the bus and in log lines.
    public static let key = "call-id"
}
