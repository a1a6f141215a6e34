-- The operator answers neither annotation while it is told to keep still, or is about to go.
local idle = obj.spec.suspend == true or obj.metadata.deletionTimestamp ~= nil
return {
  rotate = { disabled = idle },
  reconcile = { disabled = idle },
}
