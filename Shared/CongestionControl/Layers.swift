/// Names what a tile shows: stable for a publisher and source as long as the caller keeps it so.
public struct TileID: RawRepresentable, Hashable, Sendable {
    /// The caller's number.
    public let rawValue: UInt64

    /// The tile of that number.
    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Names a layer of one track: the place of its rid in what was negotiated, 0...7.
public struct LayerID: RawRepresentable, Hashable, Sendable {
    /// The place; 0...7.
    public let rawValue: UInt8

    /// The layer at that place; higher ones than 7 are counted as 7.
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = min(rawValue, 7) }
}

/// Some layers of one track.
public struct LayerSet: OptionSet, Hashable, Sendable {
    /// A bit a layer: the lowest is layer 0.
    public let rawValue: UInt8

    /// The layers of these bits.
    @inlinable
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// One layer.
    @inlinable
    public init(_ layer: LayerID) { rawValue = 1 << layer.rawValue }

    /// Whether that layer is in it.
    @inlinable
    public func contains(_ layer: LayerID) -> Bool { contains(LayerSet(layer)) }
}

/// A layer that could be forwarded.
public struct Layer: Hashable, Sendable {
    /// Which.
    public var id: LayerID
    /// What it takes, as measured lately; without one the layer is not offered to anybody.
    public var bitRate: BitRate
    /// In pixels.
    public var width: Int
    /// In pixels.
    public var height: Int

    /// Such a layer.
    public init(id: LayerID, bitRate: BitRate, width: Int, height: Int) {
        self.id = id
        self.bitRate = bitRate
        self.width = width
        self.height = height
    }
}

/// A picture that a receiver shows.
public struct Tile: Hashable, Sendable {
    /// Which.
    public var id: TileID
    /// How wide it is shown, in device pixels.
    public var width: Int
    /// How high it is shown, in device pixels.
    public var height: Int
    /// What its publisher sends, in any order.
    public var layers: [Layer]

    /// Such a tile.
    public init(id: TileID, width: Int, height: Int, layers: [Layer]) {
        self.id = id
        self.width = width
        self.height = height
        self.layers = layers
    }
}

/// Why a tile has no picture.
public enum PauseReason: Hashable, Sendable {
    /// The path does not carry it.
    case bandwidth
    /// Its publisher sends nothing.
    case noLayer
}

/// What a tile gets.
public enum LayerChoice: Hashable, Sendable {
    /// That layer.
    case layer(LayerID)
    /// No picture.
    case paused(PauseReason)
}

/// What one tile gets.
public struct TileChoice: Hashable, Sendable {
    /// The tile.
    public var tile: TileID
    /// What it gets.
    public var choice: LayerChoice
}

/// What all tiles of a receiver get.
public struct Allocation: Hashable, Sendable {
    /// A choice for each tile, in their order.
    public var choices: [TileChoice]
    /// What sound and the chosen layers take.
    public var used: BitRate
    /// What sound and the best fitting layer of every tile would take.
    public var wanted: BitRate
    /// Whether a tile would get more if the estimate were higher.
    public var isLimited: Bool
}
