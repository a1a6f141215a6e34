-- Each new value is one request.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["edge.open-horizon.io/reconcile"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
