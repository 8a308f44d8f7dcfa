"""The networks, a file each; all keep `base.Network`, so that one loop trains and one exporter exports them."""
