package engine

import "testing"

// TestExists holds how AWS's services say that something is there already.
func TestExists(t *testing.T) {
	for words, want := range map[string]bool{
		"creating IAM Role: EntityAlreadyExists: Role with name x already exists.":                                                    true,
		"RepositoryAlreadyExistsException: The repository with name 'x' already exists":                                               true,
		"RouteAlreadyExists: the route identified by 0.0.0.0/0 already exists":                                                        true,
		"DuplicateListener: A listener already exists on this port":                                                                   true,
		"PriorityInUse: The specified priority is in use.":                                                                            true,
		"InvalidPermission.Duplicate: the specified rule \"peer: sg-1, TCP\" already exists":                                          true,
		"InvalidParameterException: Creation of service was not idempotent.":                                                          true,
		"tag invalid: The image tag 'x' already exists in the 'y' repository and cannot be overwritten because the tag is immutable.": false,
		"ThrottlingException: Rate exceeded":                                                                                          false,
		"waiting for ECS Service (x) create: timeout while waiting for state to become 'STABLE'":                                      false,
	} {
		if (met("first\n  * "+words+"\nlast") != "") != want {
			t.Errorf("%q: want %v", words, want)
		}
	}
}
