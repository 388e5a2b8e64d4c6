import SFUNode

await SFUNode.main()
