-- The operator answers neither annotation while the EdgeRegistry is suspended or being deleted.
local idle = obj.spec.suspend == true or obj.metadata.deletionTimestamp ~= nil
return {
  rotate = { disabled = idle },
  reconcile = { disabled = idle },
}
